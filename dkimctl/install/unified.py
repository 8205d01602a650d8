"""Unified diff of files and of main.cf's settings, generated line by line.

difflib takes quadratic time on tables of 100,000 rows that differ in every second one. Large files are therefore
matched by the lines that occur once on each side (Bram Cohen's patience diff), which is exact for sorted tables.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import Match, SequenceMatcher
from itertools import chain

from dkimctl.config.settings import Settings
from dkimctl.errors import disk_errors
from dkimctl.files import open_file
from dkimctl.install.compare import Change, Difference, FileChange
from dkimctl.signers.rendered import Rendering

_SMALL = 2000  # lines that difflib may compare in full
_CONTEXT = 3


def diff_lines(rendering: Rendering, difference: Difference, settings: Settings) -> Iterator[str]:
    """Yield the lines of the diff, each with its newline; none when nothing differs."""
    for directory in difference.directories:
        wanted = directory.directory
        verb = "make" if directory.change is Change.NEW else "set"
        yield f"{verb} directory {wanted.path}: mode {wanted.mode:o}, owner {wanted.owner}\n"
    for change in difference.files:
        yield from _file_lines(change, settings)
    if difference.postfix:
        yield from _header(settings.paths.main_cf, new=False)
        yield f"@@ {len(difference.postfix)} of {len(rendering.postfix)} settings, by postconf -e @@\n"
    for setting in difference.postfix:
        yield f"-{setting.name} = {setting.now}".rstrip() + "\n"
        yield f"+{setting.name} = {setting.wanted}\n"
    for path in difference.removed:
        yield f"remove private key {path}: no daemon reads it any more\n"


def _file_lines(change: FileChange, settings: Settings) -> Iterator[str]:
    if change.file.is_secret:
        verb = "make" if change.change is Change.NEW else "replace" if change.change is Change.CONTENT else "protect"
        yield f"{verb} private key {change.path}: mode {change.file.mode:o}, owner {change.file.owner}\n"
        return
    if change.change is Change.MODE:
        yield f"set mode {change.file.mode:o} of {change.path}: the daemon must read it, and no other user write it\n"
        return
    yield from _header(change.path, new=change.change is Change.NEW)
    wanted = _lines(change.file.content)
    if change.change is Change.NEW:
        yield f"@@ -0,0 +1,{sum(1 for _ in _lines(change.file.content))} @@\n"
        yield from ("+" + line for line in wanted)
        return
    path = settings.at(change.path)
    with disk_errors(f"read {path}"), open_file(path) as stream:
        installed = list(_lines(stream))
    yield from unified(installed, list(wanted))


def _header(path: str, *, new: bool) -> Iterator[str]:
    yield f"--- {'/dev/null' if new else path}\n"
    yield f"+++ {path}\n"


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    for chunk in chunks:
        for line in chunk.decode("utf-8", "backslashreplace").split("\n")[: -1 if chunk.endswith(b"\n") else None]:
            yield line + "\n"


def unified(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Yield the hunks that change `old` into `new`."""
    matcher = SequenceMatcher(None, old, new, autojunk=False) if len(old) + len(new) < _SMALL else _Anchored(old, new)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (" " + line for line in old[i1:i2])
                continue
            yield from chain(("-" + line for line in old[i1:i2]), ("+" + line for line in new[j1:j2]))


def _range(start: int, stop: int) -> str:
    length = stop - start
    return f"{start + 1 if length else start},{length}"


class _Anchored(SequenceMatcher[str]):
    """Matcher by the lines that occur once on each side, in their longest common order."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        self.a, self.b = old, new
        self.opcodes = None

    def get_matching_blocks(self) -> list[Match]:
        """Return each run of equal lines, and an empty one at the end."""
        blocks: list[Match] = []
        for i, j in _longest_increasing(_once_on_both(self.a, self.b)):
            if blocks and (blocks[-1].a + blocks[-1].size, blocks[-1].b + blocks[-1].size) == (i, j):
                blocks[-1] = Match(blocks[-1].a, blocks[-1].b, blocks[-1].size + 1)
            else:
                blocks.append(Match(i, j, 1))
        return [*blocks, Match(len(self.a), len(self.b), 0)]


def _once_on_both(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return (index in old, index in new) of each line that occurs once on each side, in the order of old."""
    in_old, in_new = Counter(old), Counter(new)
    places = {line: j for j, line in enumerate(new) if in_new[line] == 1}
    return [(i, places[line]) for i, line in enumerate(old) if in_old[line] == 1 and line in places]


def _longest_increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence of pairs with increasing second numbers (patience sorting)."""
    tops: list[int] = []
    ends: list[int] = []
    before = [-1] * len(pairs)
    for number, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        before[number] = ends[pile - 1] if pile else -1
        tops[pile : pile + 1] = [j]
        ends[pile : pile + 1] = [number]
    found, number = [], ends[-1] if ends else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
