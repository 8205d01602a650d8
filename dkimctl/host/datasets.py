"""opendkim's data sets on this disk, including lines that the daemon reads differently than expected."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dkimctl.errors import DiskError, disk_errors
from dkimctl.files import Version, read_file, version_at
from dkimctl.host.installation import where
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.longtable import Names, Rows
from dkimctl.opendkim.tables import Row, data_set

FILES = ("file", "refile")
ELSEWHERE = ("db", "dsn", "ldap", "ldapi", "ldaps", "lua")
"""Types that Debian's opendkim supports and that cannot be read here."""
_BOM = b"\xef\xbb\xbf"


class DataSetState(StrEnum):
    """The result of reading a data set."""

    READ = "read"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    """The file exists and could not be read."""
    ELSEWHERE = "elsewhere"
    """In a database."""
    UNKNOWN_KIND = "unknown kind"
    """A type with which opendkim does not start."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """One data set that a setting names."""

    setting: Setting
    kind: str
    place: str
    """The path of a `file:` or `refile:`; else the text after the colon."""
    state: DataSetState
    rows: Collection[Row] = ()
    """Rows of a file are read again at each iteration."""
    why: str = ""
    """Why it is unreadable."""
    has_bom: bool = False
    long_lines: tuple[int, ...] = ()
    """Lines that the daemon splits."""
    version: Version | None = None
    """Version of the file when it was read; None without a file."""
    indented: tuple[int, ...] = ()
    """Lines that a `refile:` table ignores because they begin with a blank."""

    @property
    def patterns(self) -> bool:
        """Return whether keys are patterns."""
        return self.kind == "refile"

    @property
    def is_known(self) -> bool:
        """Return whether `rows` is all there is."""
        return self.state is DataSetState.READ

    def odd(self, plain: re.Pattern[bytes]) -> Iterable[Row]:
        """The rows on lines that are not `plain`; all those of an inline list."""
        return self.rows.odd(plain) if isinstance(self.rows, Rows) else self.rows

    def by_name(self) -> Names:
        """A function that finds the first row with a key, with regard to case."""
        if isinstance(self.rows, Rows):
            return self.rows.names()
        lines = "".join(f"{row.key} {row.value}\n" for row in self.rows)
        return Rows(lines.encode("utf-8", "surrogateescape"), patterns=False).names()

    def at(self, row: Row) -> str:
        """`/etc/opendkim/KeyTable line 3`, or the setting's own line for an inline list."""
        return f"{self.place} line {row.line}" if self.kind in FILES else where(self.setting)


def is_marked(row: Row) -> bool:
    """Return True when a byte order mark is part of the row's name, so that one finding about it is enough."""
    return row.key.startswith("\ufeff")


def read_data_set(setting: Setting, at: Callable[[str], Path], base: str = "/") -> DataSet:
    """Return the data set of a setting such as `KeyTable refile:/etc/opendkim/KeyTable`; `base`: of relative paths."""
    kind, place = data_set(setting.value)
    if kind == "csl":
        return DataSet(setting, kind, place, DataSetState.READ, tuple(_inline(place, setting.line)))
    if kind not in FILES:
        return DataSet(setting, kind, place, DataSetState.ELSEWHERE if kind in ELSEWHERE else DataSetState.UNKNOWN_KIND)
    path = place if place.startswith("/") else f"{base.rstrip('/')}/{place}"
    try:
        version = version_at(at(path))  # first: a change while it is read makes another version
        content = _content(at(path))
    except DiskError as error:
        return DataSet(setting, kind, path, DataSetState.UNREADABLE, why=error.message)
    if content is None:
        return DataSet(setting, kind, path, DataSetState.MISSING)
    return replace(_parsed(setting, kind, path, content), version=version)


def _content(path: Path) -> bytes | None:
    with disk_errors(f"read {path}"):
        return read_file(path)


def _parsed(setting: Setting, kind: str, path: str, content: bytes) -> DataSet:
    table = Rows(content, patterns=kind == "refile")
    return DataSet(
        setting,
        kind,
        path,
        DataSetState.READ,
        rows=table,
        has_bom=content.startswith(_BOM),
        long_lines=table.long_lines,
        indented=table.indented,
    )


def _inline(text: str, line: int) -> Iterator[Row]:
    for item in text.split(","):
        key, _, value = item.strip().partition("=")
        if key:
            yield Row(key, value, line)
