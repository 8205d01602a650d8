"""A KeyTable or SigningTable that this program wrote whole: read and changed by domain, without parsing the rest.

Its rows are sorted by domain, so those of one are found by bisection; a table of a million is copied around them.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files import Version, open_file
from dkimctl.opendkim.managed_block import BEGIN_LINE, END_LINE

_CHUNK = 1 << 20
DomainOf = Callable[[bytes], bytes]
"""Returns the domain of a row."""


def domain_of_key_row(row: bytes) -> bytes:
    """Return the `d=` of a KeyTable row, as `tables.key_line` writes it."""
    return row.partition(b" ")[2].partition(b":")[0]


def domain_of_signing_row(row: bytes) -> bytes:
    """Return the domain of a row of a `file:` SigningTable, as `tables.signing_lines` writes it."""
    return row.partition(b" ")[0].removeprefix(b".")


class SortedTable:
    """The installed table at `path`. Raises DiskError; ValueError for one with lines of a person."""

    def __init__(self, path: Path, domain_of: DomainOf) -> None:
        self._domain_of = domain_of
        with disk_errors(f"read {path}"), open_file(path) as stream:
            self.version: Version = Version.of(os.fstat(stream.fileno()))
            self._content = mmap(stream.fileno(), 0, access=ACCESS_READ)
        self._spans: dict[str, tuple[int, int]] = {}
        self._start, self._end = len(BEGIN_LINE), len(self._content) - len(END_LINE)
        if (
            self._start > self._end
            or self._content[: self._start] + self._content[self._end :] != BEGIN_LINE + END_LINE
        ):
            raise ValueError(f"{path} has lines of a person")

    def rows(self, domain: str) -> bytes:
        """Return the lines of a domain; empty when it has none."""
        start, end = self._span(domain)
        return self._content[start:end]

    def changed(self, rows: Mapping[str, bytes]) -> Iterator[bytes]:
        """Yield the whole content with other lines for some domains; of each, empty where it is to have none."""
        done = 0
        for domain in sorted(rows):
            start, end = self._span(domain)
            yield from self._pieces(done, start)
            yield rows[domain]
            done = end
        yield from self._pieces(done, len(self._content))

    def _pieces(self, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, _CHUNK):
            yield self._content[at : min(at + _CHUNK, end)]

    def _span(self, domain: str) -> tuple[int, int]:
        """Return where the lines of a domain begin and end; both where they would be when it has none."""
        if domain not in self._spans:
            self._spans[domain] = self._searched(domain.encode("ascii"))
        return self._spans[domain]

    def _searched(self, wanted: bytes) -> tuple[int, int]:
        low, high = self._start, self._end
        while low < high:
            middle = self._content.rfind(b"\n", low, (low + high) // 2) + 1 or low
            after = self._after(middle)
            if self._domain_of(self._content[middle:after]) < wanted:
                low = after
            else:
                high = middle
        start = low
        while low < self._end and self._domain_of(self._content[low : self._after(low)]) == wanted:
            low = self._after(low)
        return start, low

    def _after(self, row: int) -> int:
        return self._content.find(b"\n", row, self._end) + 1 or self._end
