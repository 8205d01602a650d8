"""opendkim's tables as they are installed, with other rows for a few domains."""

from collections.abc import Iterable
from io import BytesIO
from typing import Self

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError
from dkimctl.opendkim.managed_block import Foreign
from dkimctl.opendkim.sorted_table import SortedTable, domain_of_key_row, domain_of_signing_row
from dkimctl.opendkim.tables import key_entry, key_line, rows, signing_lines
from dkimctl.signers.base import Name
from dkimctl.signers.opendkim.row_names import RowNames
from dkimctl.signers.rendered import Content, Excerpt, RenderedFile, Selection


class InstalledTables:
    """KeyTable and SigningTable, where both have nothing but rows of this program."""

    def __init__(self, settings: Settings) -> None:
        place = settings.paths.opendkim_directory
        self._paths = (f"{place}/KeyTable", f"{place}/SigningTable")
        self._name = RowNames(Foreign(), Foreign()).of
        self._keys = SortedTable(settings.at(self._paths[0]), domain_of_key_row)
        self._signing = SortedTable(settings.at(self._paths[1]), domain_of_signing_row)

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return them, or None where they are missing, have other lines, or are sorted in another way."""
        if settings.signing.tables != "file":
            return None
        try:
            return cls(settings)
        except (DiskError, ValueError):
            return None

    @property
    def paths(self) -> tuple[str, ...]:
        """Return their system paths."""
        return self._paths

    def installed(self, domains: Iterable[str]) -> frozenset[Name]:
        """Return the keys that the KeyTable names for these domains."""
        lines = b"".join(map(self._keys.rows, domains))
        entries = map(key_entry, rows(BytesIO(lines), patterns=False))
        return frozenset((entry.domain, entry.selector) for entry in entries if entry)

    def files(self, selection: Selection, domains: Iterable[str]) -> tuple[RenderedFile, ...]:
        """Return both tables with the rows of a selection for these domains; one without a key gets none."""
        none = dict.fromkeys(sorted(domains), "")
        keys = none | {
            key.domain: key_line(self._name(key), key.domain, key.selector, key.path) for key in selection.keys
        }
        signing = none | {
            key.domain: signing_lines(key.domain, self._name(key), subdomains=key.subdomains, patterns=False)
            for key in selection.keys
        }
        return tuple(
            _file(path, table, {domain: text.encode("ascii") for domain, text in wanted.items()})
            for path, table, wanted in zip(self._paths, (self._keys, self._signing), (keys, signing), strict=True)
        )


def _file(path: str, table: SortedTable, wanted: dict[str, bytes]) -> RenderedFile:
    excerpt = Excerpt(b"".join(map(table.rows, wanted)), b"".join(wanted.values()))
    return RenderedFile(path, Content(lambda: table.changed(wanted)), made_from=table.version, excerpt=excerpt)
