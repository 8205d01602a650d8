"""`file:` or `refile:` for the SigningTable: what was asked for, unless a person's working patterns need the other."""

from collections.abc import Iterable

from dkimctl.config.settings import Settings
from dkimctl.opendkim import conf
from dkimctl.opendkim.managed_block import Foreign
from dkimctl.opendkim.tables import SAMPLE, Patterns, Row, data_set
from dkimctl.signers.opendkim.foreign_rows import foreign_rows
from dkimctl.signers.opendkim.row_names import RowNames
from dkimctl.signers.rendered import Notice, Selection, SigningKey


def table_kind(
    settings: Settings, foreign: Foreign, selection: Selection, names: RowNames
) -> tuple[str, tuple[Notice, ...]]:
    """The kind, and why it is not the one that was asked for.

    `file:` tables never match a pattern. When a person's patterns work today, and do what no line of ours does, the
    table stays `refile:`: a domain would lose its signature otherwise.
    """
    wanted = settings.signing.tables
    path = f"{settings.paths.opendkim_directory}/SigningTable"
    installed = conf.read(settings.paths.opendkim_conf, settings.at)
    in_use = data_set((installed and installed.get("SigningTable")) or "") == ("refile", path)
    needed = patterns_needed(foreign, selection, names) if wanted == "file" and in_use else ()
    if not needed:
        return wanted, ()
    first = needed[0]
    return "refile", (
        Notice(
            f"SigningTable stays refile: for the pattern {first.key} ({path} line {first.line})",
            "file: is faster with many domains; it wants exact names: example.com, and .example.com for all below it",
        ),
    )


def patterns_needed(foreign: Foreign, selection: Selection, names: RowNames) -> tuple[Row, ...]:
    """A person's rows with a pattern that works today and that no line of ours replaces."""
    found = foreign_rows(foreign, patterns=True)
    if not any(is_pattern(row.key) for row in found):
        return ()
    replaced, above, patterns = Replaced(found, selection, names), len(foreign.above), Patterns(found)
    return tuple(
        row
        for row in found
        if is_pattern(row.key)
        and row not in replaced
        and patterns.first(row.key.replace("*", SAMPLE)) == row  # of patterns the first that fits counts
        and (row.line <= above or not replaced.is_ours(row))
    )


def is_pattern(key: str) -> bool:
    """Return whether only a `refile:` table understands a SigningTable key; `*` and `user@*` have a meaning in both."""
    return "*" in key and key != "*" and not key.endswith("@*")


class Replaced:
    """The rows of a person's table, of either kind, that our own lines replace.

    `names`: of our rows, where it is the table that has them.

    A row is replaced when our lines sign all the mail that it signs, and its key is ours, or the one that signs today
    for the managed domain itself, which ours succeeds. A row with yet another key is a person's exception.
    """

    def __init__(self, found: Iterable[Row], selection: Selection, names: RowNames | None = None) -> None:
        self._names = names
        self._keys = {key.domain: key for key in selection.keys}
        self._succeeded = {(row_domain(row), row.value) for row in found if self._keys and _is_whole_domain(row)}

    def __contains__(self, row: Row) -> bool:
        key = self._covering(row)
        if key is None:
            return False
        is_ours = row.value == key.name or (self._names is not None and row.value == self._names.of(key))
        return is_ours or (key.domain, row.value) in self._succeeded

    def is_ours(self, row: Row) -> bool:
        """Return whether our lines sign all the mail of this row, with whatever key."""
        return self._covering(row) is not None

    def _covering(self, row: Row) -> SigningKey | None:
        """The key of ours that signs all the mail of this row."""
        address = row.key.lower().rpartition("@")[2]
        below = address.startswith(("*.", "."))
        if address.startswith("*") and not below:
            return None  # `*example.com` and `*` reach beyond any domain of ours
        domain = row_domain(row)
        key = self._keys.get(domain)
        if key is not None:
            return key if key.subdomains or not below else None
        parents = (self._keys.get(domain.split(".", n)[n]) for n in range(1, domain.count(".") + 1))
        return next((key for key in parents if key is not None and key.subdomains), None)


def _is_whole_domain(row: Row) -> bool:
    """Return True for `example.com` and `*@example.com`: all users of a domain itself."""
    user, _, address = row.key.rpartition("@")
    return user in ("", "*") and not address.startswith((".", "*")) and not row.value.startswith("%")


def row_domain(row: Row) -> str:
    """Return the domain of a SigningTable row: without user, `*` and leading dot, in lower case."""
    return row.key.lower().rpartition("@")[2].removeprefix("*").removeprefix(".")
