"""The architecture, read from the imports: data flows one way, and each foreign library has one door."""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "dkimctl"

ROWS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "errors",
            "names",
            "findings",
            "catalogue",
            "clock",
            "files",
            "owners",
            "programs",
            "deadline",
            "version",
            "secrets",
        }
    ),
    frozenset({"config"}),
    frozenset({"keys"}),
    frozenset({"record", "opendkim", "postfix"}),
    frozenset({"providers", "dns"}),
    frozenset({"publish", "verify"}),
    frozenset({"milter", "dkim"}),
    frozenset({"signers", "host"}),
    frozenset({"doctor", "why", "selftest", "install"}),
    frozenset({"lifecycle"}),
    frozenset({"setup", "adopt", "timer", "fleet"}),
    frozenset({"output", "api"}),
    frozenset({"cli", "manual", "entry", "__main__", "__init__"}),
)
"""From the words that everybody shares down to the command line. A module imports from its own row and those above."""

BRANCHES = ("signers", "providers")
"""Two rooms that never meet: this host, and the DNS account."""

DOORS = {
    "badkeys": ("keys.knownbad",),
    "click": ("cli", "manual"),
    "cryptography": ("keys",),
    "dkim": ("dkim",),
    "dns": ("dns", "providers.rfc2136", "sandbox"),
    "idna": ("names",),
    "lexicon": ("providers.lexicon.adapter",),
    "ovh": ("providers.ovh.client",),
    "oauthlib": ("providers.ovh.client",),  # with `requests` what `ovh` is built on: its errors come from there
    "psycopg": ("fleet.database",),
    "requests": ("providers.ovh.client", "providers.limited_http"),
    "pyrage": ("fleet.identity",),
    "rich": ("output",),
}
"""Each foreign library, and the only modules that may import it."""

BY_NAME = ("__init__", "cli.main", "providers.ovh.client_library", "providers.registry", "sandbox", "signers.registry")
"""The modules that import others by a name in a string, which the checks below cannot follow."""


@dataclass(frozen=True)
class Import:
    """`module` imports `target`; only a checker of types sees it when `typing_only`."""

    module: str
    target: str
    typing_only: bool


def name_of(path: Path) -> str:
    """`keys.pair` for dkimctl/keys/pair.py, `keys` for its __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


_MARKS = {"print", "import_module", "__import__", "exit", "stdout", "stderr"}


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    """Return the nodes of a file that the rules are about: imports, what is raised, and a few names."""
    kept: tuple[type[ast.AST], ...] = (ast.Import, ast.ImportFrom, ast.Raise, ast.If)
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kept)
        or (isinstance(node, ast.Name) and node.id in _MARKS)
        or (isinstance(node, ast.Attribute) and node.attr in _MARKS)
    ]


def imports_of(path: Path) -> Iterator[Import]:
    """Every import in a file, those inside functions included."""
    guarded = {
        id(node)
        for block in nodes_of(path)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            # `from dkimctl.keys import pair` may name a module: keep the longest name that is one
            targets = [_module(f"{node.module}.{alias.name}") or str(node.module) for alias in node.names]
        else:
            continue
        for target in targets:
            yield Import(name_of(path), target, id(node) in guarded)


def _module(name: str) -> str | None:
    path = REPOSITORY / name.replace(".", "/")
    return name if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() else None


FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def all_imports() -> list[Import]:
    """Return every import of the package."""
    return [found for path in FILES for found in imports_of(path)]


@cache
def our_imports() -> list[tuple[str, str, bool]]:
    """Return the imports of the package's own modules: who, what, and whether only a checker of types sees it."""
    return [
        (found.module, found.target.removeprefix("dkimctl."), found.typing_only)
        for found in all_imports()
        if found.target.split(".")[0] == "dkimctl"
    ]


def room(module: str) -> str:
    """The folder or file right below the package."""
    return module.split(".")[0]


def row(module: str) -> int:
    """Return the number of a module's row; sandbox is in none."""
    return next(number for number, rooms in enumerate(ROWS) if room(module) in rooms)


def test_every_module_has_its_place() -> None:
    """A new folder or file right below the package must be given a row."""
    rooms = {room(name_of(path)) for path in FILES}
    assert rooms - {"sandbox"} <= frozenset().union(*ROWS)


def test_imports_go_up_only() -> None:
    """No module imports from a row below its own, late and typing-only imports included."""
    wrong = [
        f"{module} imports {target}"
        for module, target, _ in our_imports()
        if "sandbox" not in (room(module), room(target)) and row(target) > row(module)
    ]
    assert wrong == []


def test_signers_and_providers_never_meet() -> None:
    """What this host needs and what the DNS account needs do not know each other."""
    pairs = {(room(module), room(target)) for module, target, _ in our_imports()}
    assert pairs.isdisjoint({BRANCHES, BRANCHES[::-1]})


@pytest.mark.parametrize("axis", BRANCHES)
def test_no_implementation_knows_another(axis: str) -> None:
    """A provider or a signer can be read, and taken out, without the others: its folder imports no other's."""
    folders = [path.name for path in (PACKAGE / axis).iterdir() if (path / "__init__.py").exists()]
    places = [(module.split("."), target.split(".")) for module, target, _ in our_imports()]
    wrong = [
        f"{'.'.join(module)} imports {'.'.join(target)}"
        for module, target in places
        if module[0] == target[0] == axis
        and {module[1:2][0], target[1:2][0]} <= set(folders)
        and module[1] != target[1]
    ]
    assert wrong == []


def test_sandbox_is_in_no_row() -> None:
    """Only the command line uses the sandbox, and the sandbox knows nothing of us but how to say what is wrong."""
    users = {room(module) for module, target, _ in our_imports() if room(target) == "sandbox"}
    known = {room(target) for module, target, _ in our_imports() if room(module) == "sandbox"}
    assert users <= {"sandbox", "cli", "__init__"}  # the last for type checkers only
    assert known <= {"sandbox", "errors"}


def test_nobody_inside_uses_the_public_face() -> None:
    """`import dkimctl` is for others: inside, everybody imports from where a thing is made."""
    assert [module for module, target, _ in our_imports() if target == "dkimctl"] == []


def _graph(place: Callable[[str], str]) -> dict[str, set[str]]:
    """Who imports whom, with every module seen as its `place`. What only a type checker sees does not count."""
    graph: dict[str, set[str]] = {}
    for module, target, typing_only in our_imports():
        edge = (place(module), place(target))
        if not typing_only and edge[0] != edge[1]:
            graph.setdefault(edge[0], set()).add(edge[1])
    return graph


@cache
def _folder(module: str) -> str:
    """The folder that holds a module: `signers.opendkim` for signers/opendkim/rendering.py."""
    path = PACKAGE / module.replace(".", "/")
    return module if path.is_dir() else module.rpartition(".")[0] or module


def _cut(depth: int) -> Callable[[str], str]:
    """The first `depth` parts of a module's folder."""
    return lambda module: ".".join(_folder(module).split(".")[:depth])


PLACES: dict[str, Callable[[str], str]] = {
    "modules": str,
    "rooms": room,
    "folders-two-deep": _cut(2),
    "folders": _folder,
}
"""What is taken for one place when circles are looked for."""


@pytest.mark.parametrize("place", PLACES.values(), ids=list(PLACES))
def test_no_circles(place: Callable[[str], str]) -> None:
    """No module and no folder, at any depth, imports itself through others; a folder and its subfolder included."""
    try:
        TopologicalSorter(_graph(place)).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


def test_the_fast_path_is_used_by_verify_alone() -> None:
    """The long way is readable without it, and no other room knows of it."""
    fast = "verify.bulk"
    users = {module for module, target, _ in our_imports() if target.startswith(fast) and not module.startswith(fast)}
    assert users == {"verify.check"}


def test_foreign_libraries_come_in_by_their_door() -> None:
    """Besides Python's own, only the libraries listed, each only where it is listed."""
    others = []
    for found in all_imports():
        library = found.target.split(".")[0]
        if library == "dkimctl" or library in sys.stdlib_module_names:
            continue
        doors = DOORS.get(library, ())
        if not any(found.module == door or found.module.startswith((door + ".", door + "_")) for door in doors):
            others.append(f"{found.module} imports {library}")
    assert others == []


def test_every_door_is_used() -> None:
    """A library that nobody imports any more leaves the list, and the dependencies."""
    used = {found.target.split(".")[0] for found in all_imports()}
    assert set(DOORS) <= used


def test_imports_by_name_are_listed() -> None:
    """What a string names is imported unseen, so that only a registry does it, or a module whose names load late."""
    found = {
        name_of(path)
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.Name | ast.Attribute)
        and ast.unparse(node).rpartition(".")[2] in ("import_module", "__import__")
    }
    assert found == set(BY_NAME)


def test_names_with_an_underscore_stay_in_their_file() -> None:
    """What another module needs has a public name."""
    wrong = [
        f"{name_of(path)} imports {alias.name} of {node.module}"
        for path in FILES
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "dkimctl"
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert wrong == []


def _says_or_ends(node: ast.AST) -> str | None:
    """What the node is, when it writes to the terminal or exits."""
    if isinstance(node, ast.Name) and node.id == "print":
        return "print"
    if isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).startswith("SystemExit"):
        return "SystemExit"
    if isinstance(node, ast.ImportFrom) and node.module == "sys":
        return next((f"sys.{one.name}" for one in node.names if one.name in ("exit", "stdout", "stderr")), None)
    if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.exit", "sys.stdout", "sys.stderr"):
        return ast.unparse(node)
    return None


def test_only_output_and_cli_speak_or_end_the_program() -> None:
    """Nothing below `output` writes to the terminal or exits."""
    talking = [
        f"{name_of(path)}:{node.lineno} {said}"  # type: ignore[attr-defined]
        for path in FILES
        if room(name_of(path)) not in ("output", "cli", "entry", "__main__")
        for node in nodes_of(path)
        if (said := _says_or_ends(node))
    ]
    assert talking == []


def _upward(module: str, target: str, *, typing_only: bool = False) -> Import:
    return Import(module, f"dkimctl.{target}", typing_only)


WRONG: dict[str, tuple[Import, ...]] = {
    "a row below": (_upward("keys", "publish"),),
    "a row below, from a folder in a room": (_upward("verify.judge.one", "lifecycle.plan"),),
    "a row below, for a checker of types": (_upward("dns.engine", "output.terminal", typing_only=True),),
    "the machine and the account": (_upward("signers.service", "providers.base"),),
    "two signers": (_upward("signers.rspamd.signer", "signers.dkimpy.rendering"),),
    "two providers": (_upward("providers.rfc2136.client", "providers.ovh.calls"),),
    "a user of the sandbox": (_upward("doctor.run", "sandbox.server"),),
    "what the sandbox knows": (_upward("sandbox.zones", "record.text"),),
    "the fast path": (_upward("verify.polling", "verify.bulk.fastpath"),),
    "the public face": (Import("fleet.sync", "dkimctl", typing_only=False),),
    "another door": (Import("publish.plan", "dns.resolver", typing_only=False),),
    "an unknown library": (Import("keys.pair", "nacl.signing", typing_only=False),),
    "a circle of modules": (_upward("errors", "names"), _upward("names", "errors")),
    "a circle of three rooms": (
        _upward("doctor.a", "why.a"),
        _upward("why.b", "selftest.a"),
        _upward("selftest.b", "doctor.b"),
    ),
    "a circle of folders in a room": (
        _upward("verify.judge.a", "verify.conclusion.a"),
        _upward("verify.conclusion.b", "verify.judge.b"),
    ),
    "a circle of a room and its folder": (_upward("dns.a", "dns.deep.a"), _upward("dns.deep.b", "dns.b")),
    "a circle three folders deep": (
        _upward("fleet.simulation.one.a", "fleet.simulation.two.a"),
        _upward("fleet.simulation.two.b", "fleet.simulation.one.b"),
    ),
}
"""Imports that break a rule."""


@pytest.mark.parametrize("wrong", WRONG.values(), ids=list(WRONG))
def test_a_wrong_import_is_seen(monkeypatch: pytest.MonkeyPatch, wrong: tuple[Import, ...]) -> None:
    """Each rule above fails for an import that breaks it, at every depth."""
    imports = [*all_imports(), *wrong]
    here = sys.modules[__name__]
    monkeypatch.setattr(here, "all_imports", lambda: imports)
    monkeypatch.setattr(here, "our_imports", cache(our_imports.__wrapped__))
    rules: list[Callable[[], None]] = [
        test_imports_go_up_only,
        test_signers_and_providers_never_meet,
        *(partial(test_no_implementation_knows_another, axis) for axis in BRANCHES),
        test_sandbox_is_in_no_row,
        test_nobody_inside_uses_the_public_face,
        *(partial(test_no_circles, place) for place in PLACES.values()),
        test_the_fast_path_is_used_by_verify_alone,
        test_foreign_libraries_come_in_by_their_door,
    ]
    assert any(_fails(rule) for rule in rules)


def _fails(rule: Callable[[], None]) -> bool:
    try:
        rule()
    except (AssertionError, pytest.fail.Exception, StopIteration):
        return True
    return False
