"""Nobody gains by what root runs: every path that a command touches, attacked in every way, in a copy of a machine."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attacks import ATTACKS, cases
from tests.box import box_works, run_in_box
from tests.conftest import REPOSITORY, needs
from tests.postgres_server import Missing, require
from tests.touched import COMMANDS, SYSTEM, TABLE

IS_FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
STEP = 1 if IS_FULL else 29
"""How many cases are passed over for one that is run; with a prime number every attack and every path has its turn."""
_PATHS = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"|\w+\("((?:[^"\\]|\\.)*)"')
_BY_DESCRIPTOR = re.compile(r"f(?:chown|chmod)\(\d+<([^>]*)>")
_BIRTH = re.compile(r"(\d+) .*(?:clone3?|v?fork)\b.* = (\d+)")
_OWN = {path for place in (REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)) for path in (place, place.resolve())}
"""Where the program and its interpreter are: only root can change them here, and they differ between machines."""
pytestmark = [
    needs("opendkim", "postconf", "rspamadm", "strace", root=True, namespaces=True),
    pytest.mark.long,
]


def in_box(*arguments: str, timeout: float) -> str:
    """What tests/attacks.py printed."""
    _skip_without_box()
    command = [sys.executable, "-m", "tests.attacks", *arguments]
    ended = run_in_box(*command, timeout=timeout, PYTHONPATH=str(REPOSITORY))
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def _skip_without_box() -> None:
    if not box_works():
        pytest.skip("an overlay over / is needed (unshare -m, mount -t overlay)")
    try:
        require()
    except Missing as missing:
        pytest.skip(str(missing))


def test_no_attack_touches_anything_outside_or_hangs(record_property: Callable[[str, object], None]) -> None:
    """Each path × {links, pipe, hole, other owner, swapped in a race, …}: nothing outside changes, nothing hangs.

    A case hangs when it takes 10 s longer than the same command takes when nobody attacks, measured in the same run:
    on a busy machine every command takes longer, and a few need seconds by themselves.
    """
    chosen = cases()[::STEP]
    lines = in_box("matrix", "0", str(STEP), timeout=60 + 15 * len(chosen)).splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == len(chosen)
    assert [case for case in found if case[4] or case[5]] == []
    assert [case for case in found if case[3] in (70, 99)] == [], "a bug, not an error"
    size = f"attacks on files, of {len(cases())} ({len(TABLE)} paths in {len(ATTACKS)} ways)"
    record_property(f"counted: {size}", len(found))


def _pattern(path: str) -> str:
    """A path of the table as a regular expression: `*` for one component or a part of it, `**` for any number."""
    return re.escape(path).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")


def _pattern_of_own(place: Path) -> str:
    """A directory, all that is in it, and what the interpreter looks at above it, as a regular expression."""
    return "|".join((rf"{re.escape(str(place))}(/.*)?", *(re.escape(str(above)) for above in place.parents)))


def touched(text: str) -> Iterator[tuple[str, str]]:
    """Each path of a trace, with its line; the calls of other programs, once started, are left out."""
    for _, *run in (part.splitlines() for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]):
        others: set[str] = set()
        parents = {found[2]: found[1] for line in run if (found := _BIRTH.match(line))}
        first = run[0].partition(" ")[0]
        for line in run:
            pid, _, call = line.partition(" ")
            if (pid != first and "execve(" in call) or parents.get(pid) in others:
                others.add(pid)
            if pid not in others:
                yield from ((path, line) for path in _paths(call))


def _paths(call: str) -> Iterator[str]:
    for folder, name, whole in _PATHS.findall(call):
        if not folder.startswith(("pipe:", "socket:", "anon_inode:")):
            yield os.path.normpath(os.path.join("/", folder, name or whole))
    yield from _BY_DESCRIPTOR.findall(call)


def test_the_table_has_everything_that_the_commands_touch() -> None:
    """strace sees no file, directory or link that the table does not name; each command did what it is there for."""
    _skip_without_box()
    script = '"$1" -m tests.attacks trace /tmp/trace >&2 && cat /tmp/trace'
    ended = run_in_box("sh", "-c", script, "sh", sys.executable, timeout=900, PYTHONPATH=str(REPOSITORY))
    assert ended.returncode == 0, ended.stderr[-3000:]
    known = re.compile("|".join((*map(_pattern, (*(row.path for row in TABLE), *SYSTEM)), *map(_pattern_of_own, _OWN))))
    unknown = {}
    for path, line in touched(ended.stdout):
        clean = re.sub(
            r"\.dkimctl-[0-9a-f]{8}-[0-9a-f]+-[0-9a-f]{16}(\.batch(/.*)?|/[0-9a-f]{16})?", ".dkimctl-*", path
        )
        if not known.fullmatch(clean) and not clean.endswith(".dkimctl-*"):
            unknown.setdefault(clean, line)
    assert unknown == {}
    assert ended.stdout.count("## ") == len(COMMANDS)
