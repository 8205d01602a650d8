"""The architecture, read from the imports: data flows one way, and each foreign library has one door."""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    frozenset({"setup", "adopt", "timer"}),
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
    "requests": ("providers.ovh.client", "providers.limited_http"),
    "rich": ("output",),
}
"""Each foreign library, and the only modules that may import it."""


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


def imports_of(path: Path) -> Iterator[Import]:
    """Every import in a file, those inside functions included."""
    tree = ast.parse(path.read_text())
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
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
IMPORTS = [found for path in FILES for found in imports_of(path)]
OURS = [
    (found.module, found.target.removeprefix("dkimctl."), found.typing_only)
    for found in IMPORTS
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
        for module, target, _ in OURS
        if "sandbox" not in (room(module), room(target)) and row(target) > row(module)
    ]
    assert wrong == []


def test_signers_and_providers_never_meet() -> None:
    """What this host needs and what the DNS account needs do not know each other."""
    pairs = {(room(module), room(target)) for module, target, _ in OURS}
    assert pairs.isdisjoint({BRANCHES, BRANCHES[::-1]})


def test_sandbox_is_in_no_row() -> None:
    """Only the command line uses the sandbox, and the sandbox knows nothing of us but how to say what is wrong."""
    users = {room(module) for module, target, _ in OURS if room(target) == "sandbox"}
    known = {room(target) for module, target, _ in OURS if room(module) == "sandbox"}
    assert users <= {"sandbox", "cli", "__init__"}  # the last for type checkers only
    assert known <= {"sandbox", "errors"}


def test_nobody_inside_uses_the_public_face() -> None:
    """`import dkimctl` is for others: inside, everybody imports from where a thing is made."""
    assert [module for module, target, _ in OURS if target == "dkimctl"] == []


def _graph(place: Callable[[str], str]) -> dict[str, set[str]]:
    """Who imports whom, with every module seen as its `place`. What only a type checker sees does not count."""
    graph: dict[str, set[str]] = {}
    for module, target, typing_only in OURS:
        edge = (place(module), place(target))
        if not typing_only and edge[0] != edge[1]:
            graph.setdefault(edge[0], set()).add(edge[1])
    return graph


def _folder(module: str) -> str:
    """The folder that holds a module: `signers.opendkim` for signers/opendkim/rendering.py."""
    path = PACKAGE / module.replace(".", "/")
    return module if path.is_dir() else module.rpartition(".")[0] or module


def _cut(depth: int) -> Callable[[str], str]:
    """The first `depth` parts of a module's folder."""
    return lambda module: ".".join(_folder(module).split(".")[:depth])


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(str, id="modules"),
        pytest.param(room, id="rooms"),
        pytest.param(_cut(2), id="folders-two-deep"),
        pytest.param(_folder, id="folders"),
    ],
)
def test_no_circles(place: Callable[[str], str]) -> None:
    """No module and no folder, at any depth, imports itself through others; a folder and its subfolder included."""
    try:
        TopologicalSorter(_graph(place)).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("top", ["dns", "verify"])
def test_no_circles_between_folders(top: str) -> None:
    """Inside a room, no folder imports one that imports it."""
    folders = {name_of(path): ".".join(path.parent.relative_to(PACKAGE).parts) for path in FILES}
    graph: dict[str, set[str]] = {}
    for module, target, typing_only in OURS:
        edge = folders[module], folders.get(target, target)
        if not typing_only and edge[0] != edge[1] and room(module) == room(target) == top:
            graph.setdefault(edge[0], set()).add(edge[1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' → '.join(error.args[1])}")


def test_the_fast_path_is_used_by_verify_alone() -> None:
    """The long way is readable without it, and no other room knows of it."""
    fast = "verify.bulk"
    users = {module for module, target, _ in OURS if target.startswith(fast) and not module.startswith(fast)}
    assert users == {"verify.check"}


def test_foreign_libraries_come_in_by_their_door() -> None:
    """Besides Python's own, only the libraries listed, each only where it is listed."""
    others = []
    for found in IMPORTS:
        library = found.target.split(".")[0]
        if library == "dkimctl" or library in sys.stdlib_module_names:
            continue
        doors = DOORS.get(library, ())
        if not any(found.module == door or found.module.startswith((door + ".", door + "_")) for door in doors):
            others.append(f"{found.module} imports {library}")
    assert others == []


def test_every_door_is_used() -> None:
    """A library that nobody imports any more leaves the list, and the dependencies."""
    used = {found.target.split(".")[0] for found in IMPORTS}
    assert set(DOORS) <= used


def _says_or_ends(node: ast.AST) -> str | None:
    """`print`, `sys.exit`, `sys.stdout` or `sys.stderr`, when the node is one."""
    if isinstance(node, ast.Name) and node.id == "print":
        return "print"
    if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.exit", "sys.stdout", "sys.stderr"):
        return ast.unparse(node)
    return None


def test_only_output_and_cli_speak_or_end_the_program() -> None:
    """Nothing below `output` writes to the terminal or exits."""
    talking = [
        f"{name_of(path)}:{node.lineno} {said}"  # type: ignore[attr-defined]
        for path in FILES
        if room(name_of(path)) not in ("output", "cli", "entry", "__main__")
        for node in ast.walk(ast.parse(path.read_text()))
        if (said := _says_or_ends(node))
    ]
    assert talking == []
