"""The tables of an installation as it is, in any form: files, inline lists, or Domain and KeyFile."""

from collections.abc import Iterable
from dataclasses import dataclass

from dkimctl.adopt.tables import Tables
from dkimctl.errors import DiskError, UsageError
from dkimctl.files import Version
from dkimctl.host.datasets import FILES, DataSet, DataSetState, read_data_set
from dkimctl.host.installation import where
from dkimctl.host.world import World
from dkimctl.opendkim.managed_block import Foreign, Line, read_foreign
from dkimctl.opendkim.tables import Row


@dataclass(frozen=True, slots=True)
class Table:
    """The KeyTable or SigningTable in use: its rows, and the lines that are to be kept."""

    rows: tuple[Row, ...]
    patterns: bool
    foreign: Foreign
    """The lines of people: those that dkimctl wrote itself are not among them."""
    source: str
    """A path, or `FILE line N` of an inline list."""
    in_place: bool = False
    """True when it lies where dkimctl keeps it."""
    version: Version | None = None
    """Of the file when its rows were read."""

    def at(self, row: Row) -> str:
        """Return the place of a row: file and line."""
        return (
            f"{self.source} line {row.line}" if self.source.startswith("/") and " " not in self.source else self.source
        )


@dataclass(frozen=True, slots=True)
class Installed:
    """The two tables that decide how mail is signed today."""

    signing: Table
    keys: Table
    tables: Tables
    whole: bool = False
    """True without tables (Domain and KeyFile): they cannot be replaced by halves."""


def read_installed(world: World) -> Installed | None:
    """Return the tables, or None when opendkim signs nothing. Raises DiskError, or UsageError for a database."""
    if not world.opendkim.signs:
        return None
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    several = world.opendkim.flag("MultipleSignatures")
    if keys is None or signing is None:
        return _from_domain(world)
    key_table, signing_table = _table(world, keys, "KeyTable"), _table(world, signing, "SigningTable")
    tables = Tables(signing_table.rows, signing_table.patterns, key_table.rows, key_table.patterns, several)
    return Installed(signing_table, key_table, tables)


def _table(world: World, data_set: DataSet, name: str) -> Table:
    if data_set.state is DataSetState.UNREADABLE:
        raise DiskError(data_set.why, hint="run it as root: sudo dkimctl adopt")
    if data_set.state is not DataSetState.READ:
        raise UsageError(
            f"{where(data_set.setting)}: {name} {data_set.setting.value}: {_STATES[data_set.state]}",
            hint="dkimctl adopt reads file:, refile: and inline tables; dkimctl doctor says more",
        )
    if data_set.kind not in FILES:
        return _inline((f"{row.key} {row.value}" for row in data_set.rows), where(data_set.setting))
    home = f"{world.settings.paths.opendkim_directory}/{name}"
    foreign = read_foreign(world.at(data_set.place))
    return Table(
        tuple(data_set.rows), data_set.patterns, foreign, data_set.place, data_set.place == home, data_set.version
    )


_STATES = {
    DataSetState.MISSING: "there is no such file",
    DataSetState.ELSEWHERE: "a database, which dkimctl does not read",
    DataSetState.UNKNOWN_KIND: "opendkim does not know this kind of table",
}


def _inline(lines: Iterable[str], source: str) -> Table:
    numbered = tuple(Line(number, f"{line}\n".encode()) for number, line in enumerate(lines, 1))
    rows = tuple(Row(*_halves(line.text), line.number) for line in numbered)
    return Table(rows, False, Foreign(numbered), source)


def _halves(line: bytes) -> tuple[str, str]:
    key, _, value = line.decode().strip().partition(" ")
    return key, value


def _from_domain(world: World) -> Installed | None:
    """Return `Domain`, `Selector` and `KeyFile` as the two tables that do the same."""
    setting, path = world.opendkim.find("Domain"), world.opendkim.get("KeyFile")
    if setting is None or not path:
        return None
    listed = read_data_set(setting, world.at, world.opendkim.get("BaseDirectory", "/"))
    if not listed.is_known:
        raise DiskError(listed.why or f"{where(setting)}: {setting.value} cannot be read", hint="run it as root")
    selector, below = world.opendkim.get("Selector"), world.opendkim.flag("SubDomains")
    names = [row.key.lower() for row in listed.rows]
    wanted = [name for domain in names for name in ((domain, f".{domain}") if below else (domain,))]
    signing = _inline((f"{name} {name.lstrip('.')}" for name in wanted), where(setting))
    keys = _inline((f"{domain} {domain}:{selector}:{path}" for domain in names), where(setting))
    return Installed(signing, keys, Tables(signing.rows, False, keys.rows, False), whole=True)
