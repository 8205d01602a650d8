"""`file:` or `refile:` for the SigningTable: what was asked for, unless a person's working patterns need the other."""

from dkimctl.config.settings import Settings
from dkimctl.opendkim import conf
from dkimctl.opendkim.managed import Foreign
from dkimctl.opendkim.tables import Row, data_set, rows
from dkimctl.render.base import Notice, Selection, SigningKey


def table_kind(settings: Settings, foreign: Foreign, selection: Selection) -> tuple[str, tuple[Notice, ...]]:
    """The kind, and why it is not the one that was asked for.

    `file:` tables never match a pattern. When a person's patterns work today, and do what no line of ours does, the
    table stays `refile:`: a domain would lose its signature otherwise.
    """
    wanted = settings.signing.tables
    path = f"{settings.paths.opendkim_directory}/SigningTable"
    installed = conf.read(settings.paths.opendkim_conf, settings.at)
    in_use = data_set((installed and installed.get("SigningTable")) or "") == ("refile", path)
    needed = patterns_needed(foreign, selection) if wanted == "file" and in_use else ()
    if not needed:
        return wanted, ()
    first = needed[0]
    return "refile", (
        Notice(
            f"SigningTable stays refile: for the pattern {first.key} ({path} line {first.line})",
            "file: is faster with many domains; it wants exact names: example.com, and .example.com for all below it",
        ),
    )


def patterns_needed(foreign: Foreign, selection: Selection) -> tuple[Row, ...]:
    """A person's rows with a pattern that no line of ours replaces."""
    found = [row for row in foreign_rows(foreign, patterns=True) if is_pattern(row.key)]
    if not found:
        return ()
    keys = {key.domain: key for key in selection.keys}
    return tuple(row for row in found if not is_replaced(row, keys))


def is_pattern(key: str) -> bool:
    """True for a SigningTable key that only a `refile:` table understands; `*` and `user@*` have a meaning in both."""
    return "*" in key and key != "*" and not key.endswith("@*")


def is_replaced(row: Row, keys: dict[str, SigningKey]) -> bool:
    """True when our own lines sign all that this row of a `file:` or `refile:` table signs."""
    address = row.key.lower().rpartition("@")[2]
    below = address.startswith(("*.", "."))
    domain = address.removeprefix("*").removeprefix(".")
    if address.startswith("*") and not below:
        return False  # `*example.com` and `*` reach beyond any domain of ours
    key = keys.get(domain)
    if key is not None:
        return key.subdomains or not below
    parents = (domain.split(".", n)[n] for n in range(1, domain.count(".") + 1))
    return any(parent in keys and keys[parent].subdomains for parent in parents)


def foreign_rows(foreign: Foreign, *, patterns: bool) -> tuple[Row, ...]:
    """The rows on a person's lines, with the line numbers of the file."""
    return tuple(
        Row(row.key, row.value, line.number) for line in foreign.lines for row in rows([line.text], patterns=patterns)
    )
