"""What is signed today through settings that ours replace, and would not be signed any more."""

from dkimctl.config.settings import Settings
from dkimctl.errors import shell_word
from dkimctl.files import read_file
from dkimctl.opendkim import conf
from dkimctl.opendkim.longtable import Rows
from dkimctl.opendkim.managed_block import read_foreign
from dkimctl.opendkim.tables import Row, data_set
from dkimctl.signers.opendkim.dataset import Replaced
from dkimctl.signers.opendkim.foreign_rows import foreign_rows
from dkimctl.signers.opendkim.row_names import RowNames
from dkimctl.signers.rendered import Notice, Selection


def lost_signatures(settings: Settings, selection: Selection) -> tuple[Notice, ...]:
    """At most one notice, and it blocks: no domain loses its signature through an installation."""
    installed = conf.read(settings.paths.opendkim_conf, settings.at)
    if installed is None:
        return ()
    table = installed.find("SigningTable")
    if table is None:
        return _from_domain(installed, selection)
    kind, path = data_set(table.value)
    if path == f"{settings.paths.opendkim_directory}/SigningTable":
        return () if settings.signing.signer == "opendkim" else _left_behind(settings, path, kind, selection)
    if kind not in ("file", "refile"):
        return (_unknown(table),)
    found = Rows(read_file(settings.at(path)) or b"", patterns=kind == "refile")
    replaced = Replaced(found, selection)
    lost = next((row for row in found if row not in replaced), None)
    return (_lost(f"{path} line {lost.line}", _signed(lost, replaced), settings),) if lost else ()


def _left_behind(settings: Settings, path: str, kind: str, selection: Selection) -> tuple[Notice, ...]:
    """A person's own lines in our table, which only opendkim reads."""
    foreign = read_foreign(settings.at(path))
    names = RowNames(read_foreign(settings.at(f"{settings.paths.opendkim_directory}/KeyTable")), foreign)
    found = foreign_rows(foreign, patterns=kind == "refile")
    replaced = Replaced(found, selection, names)
    lost = next((row for row in found if row.value and row not in replaced), None)
    if lost is None:
        return ()
    message = f"{path} line {lost.line} has {_signed(lost, replaced)} by opendkim today, and that would end"
    return (
        Notice(message, "make a key of its own for it, or take the line out: dkimctl genkey --help", blocking=True),
    )


def _signed(row: Row, replaced: Replaced) -> str:
    """`example.com signed`; where ours would sign as well, with whose key."""
    return f"{row.key} signed with the key {row.value}" if replaced.is_ours(row) else f"{row.key} signed"


def _from_domain(installed: conf.Configuration, selection: Selection) -> tuple[Notice, ...]:
    """The simple form of opendkim.conf: `Domain`, `Selector` and `KeyFile`, which a KeyTable puts out of use."""
    domains, key_file = installed.find("Domain"), installed.get("KeyFile")
    if domains is None or not key_file:
        return ()
    managed = {key.domain for key in selection.keys}
    kind, names = data_set(domains.value)
    lost = (
        [name.strip() for name in names.split(",") if name.strip().lower() not in managed] if kind == "csl" else [names]
    )
    if not lost:
        return ()
    where = f"{domains.file} line {domains.line}"
    hint = f"make it a managed domain too: dkimctl genkey {shell_word(lost[0])}"
    return (Notice(f"{where} has {lost[0]} signed today, and that would end", hint, blocking=True),)


def _lost(where: str, what: str, settings: Settings) -> Notice:
    place = settings.paths.opendkim_directory
    return Notice(
        f"{where} has {what} today, and that would end",
        f"copy its lines into {place}/SigningTable and {place}/KeyTable, where they are kept, and run it again",
        blocking=True,
    )


def _unknown(table: conf.Setting) -> Notice:
    return Notice(
        f"{table.file} line {table.line} takes the SigningTable from {table.value}, which dkimctl cannot read",
        "whatever it signs would no longer be signed; take that line out if that is meant",
        blocking=True,
    )
