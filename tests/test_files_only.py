"""Only dkimctl/files changes the disk: everything is made, changed, renamed and removed by descriptor."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "dkimctl"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if PACKAGE / "files" not in path.parents)

OF_OS = frozenset(
    [
        "chflags",
        "chmod",
        "chown",
        "fchmod",
        "fchown",
        "ftruncate",
        "lchflags",
        "lchmod",
        "lchown",
        "link",
        "makedirs",
        "mkdir",
        "mkfifo",
        "mknod",
        "open",
        "remove",
        "removedirs",
        "removexattr",
        "rename",
        "renames",
        "replace",
        "rmdir",
        "setxattr",
        "symlink",
        "truncate",
        "unlink",
        "utime",
    ]
)
OF_SHUTIL = frozenset(
    [
        "chown",
        "copy",
        "copy2",
        "copyfile",
        "copyfileobj",
        "copymode",
        "copystat",
        "copytree",
        "make_archive",
        "move",
        "rmtree",
    ]
)
OF_PATHS = frozenset(
    [
        "chmod",
        "hardlink_to",
        "lchmod",
        "link_to",
        "mkdir",
        "rename",
        "rmdir",
        "symlink_to",
        "touch",
        "unlink",
        "write_bytes",
        "write_text",
    ]
)
OF_TEMPFILE = frozenset({"SpooledTemporaryFile"})
"""All that may be used of it: it has no name."""

OPENS = {
    "entry.py": "/dev/null in place of a descriptor that was closed",
    "output/terminal.py": "/dev/null in place of a stdout that nobody reads",
    "programs/opener.py": "runs as the daemon's user, to see what that may read",
}
"""The files that may call os.open, and why."""


def offences(tree: ast.AST, file: str) -> Iterator[tuple[int, str]]:
    """The line and the text of everything that touches the disk."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (said := _forbidden(node, file)):
            yield node.lineno, said
        elif isinstance(node, ast.ImportFrom):
            taken = {"os": OF_OS, "shutil": OF_SHUTIL}.get(node.module or "", frozenset())
            names = {alias.name for alias in node.names}
            wrong = names & taken if node.module != "tempfile" else names - OF_TEMPFILE - {"gettempdir"}
            yield from ((node.lineno, f"from {node.module} import {name}") for name in sorted(wrong))
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, f"import {alias.name}") for alias in node.names if alias.name == "tempfile")


def _forbidden(call: ast.Call, file: str) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return "open for writing" if function.id == "open" and _writes(call, 1) else ""
    if not isinstance(function, ast.Attribute):
        return ""
    owner, name = ast.unparse(function.value), function.attr
    if owner in ("os", "shutil"):
        if (owner, name) == ("os", "open") and file in OPENS:
            return ""
        return f"{owner}.{name}" if name in (OF_OS if owner == "os" else OF_SHUTIL) else ""
    if name == "open" and _writes(call, 0):
        return f".{name} for writing"
    # of a text, replace takes two arguments or more
    is_rename = (
        name == "replace" and len(call.args) == 1 and not call.keywords and not isinstance(call.args[0], ast.Starred)
    )
    return f".{name}" if (name in OF_PATHS and not _is_of_click(owner, name)) or is_rename else ""


def _is_of_click(owner: str, name: str) -> bool:
    return (owner, name) == ("formatter", "write_text")


def _writes(call: ast.Call, position: int) -> bool:
    """Return True for a call of open with a mode that writes; a number in place of a path is open already."""
    if position and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, int):
        return False
    modes = [*call.args[position : position + 1], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(isinstance(m, ast.Constant) and isinstance(m.value, str) and set(m.value) & set("wax+") for m in modes)


def test_only_the_files_package_touches_the_disk() -> None:
    """No path is made, written, given away, renamed or removed but through dkimctl.files."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line} {said}"
        for path in FILES
        for line, said in offences(ast.parse(path.read_text()), str(path.relative_to(PACKAGE)))
    ]
    assert found == []


def test_every_exception_is_used() -> None:
    """A file that no longer opens anything leaves the list."""
    for file in OPENS:
        assert "os.open(" in (PACKAGE / file).read_text()


@pytest.mark.parametrize(
    "text",
    [
        "os.chown(path, 0, 0)",
        "path.chmod(0o644)",
        "Path(p).write_text('x')",
        "open(p, 'w')",
        "open(p, mode='a+')",
        "path.open('xb')",
        "shutil.copy(a, b)",
        "shutil.rmtree(a)",
        "os.open(p, os.O_WRONLY)",
        "path.replace(other)",
        "path.mkdir()",
        "from os import rename",
        "from shutil import copytree",
        "import tempfile",
        "from tempfile import mkdtemp",
    ],
)
def test_what_touches_the_disk_is_found(text: str) -> None:
    """The check sees each way of doing it."""
    assert list(offences(ast.parse(text), "x.py"))


@pytest.mark.parametrize("text", ["open(p, 'rb')", "text.replace('a', 'b')", "replace(value, x=1)", "open(0, 'rb')"])
def test_what_reads_or_is_only_called_alike_is_let_pass(text: str) -> None:
    """Reading, and methods of other things with the same name, are nobody's business."""
    assert not list(offences(ast.parse(text), "x.py"))


def test_the_package_is_small() -> None:
    """What touches the disk can be read in one sitting."""
    sizes = {path.name: len(Path(path).read_text().splitlines()) for path in (PACKAGE / "files").glob("*.py")}
    assert max(sizes.values()) < 320, sizes
