"""The commands of a fleet among those whose calls fail: each on a tree, and a database that is made for it.

They are killed at each message to the database, too.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from dkimctl.config.settings import Fleet
from dkimctl.errors import DkimctlError
from dkimctl.fleet.access import control
from dkimctl.fleet.database import connect
from dkimctl.fleet.importing import import_keys
from dkimctl.fleet.init import init
from dkimctl.fleet.membership import approve, join
from dkimctl.fleet.vault import open_vault, read_operator
from dkimctl.keys.metadata import Phase
from tests.host_tree import MAIN
from tests.postgres_server import Server
from tests.rendering import manage, settings_for, store_for, write
from tests.write_faults import TRACED, Case, Files, files_of

IDENTITY = "etc/dkimctl/fleet.age"
SENDING = ("sendto",)
"""No disk is written by these, and so none of its errors comes from them."""
_numbers = count()
_SEEN = (
    "SELECT version FROM dkimctl.schema_version ORDER BY 1",
    "SELECT generation, fleet_key, id FROM dkimctl.fleet",
    "SELECT domain, stem, selector, identity, phase, metadata, record, sealed IS NULL FROM dkimctl.key ORDER BY 1, 2",
    "SELECT name, notes FROM dkimctl.domain ORDER BY 1",
    "SELECT name, state, generation FROM dkimctl.relay ORDER BY 1",
    "SELECT fleet_key, count(*) FROM dkimctl.fleet_key_wrap GROUP BY 1 ORDER BY 1",
)


@dataclass
class FleetCase(Case):
    """Such a command; `build` gets the tree and the connection string of the database that all others are made from."""

    server: Server | None = None
    role: str = "owner"
    traced: tuple[str, ...] = (*TRACED, *SENDING)
    _template: str = field(default_factory=lambda: f"faults_{next(_numbers)}")

    @property
    def at(self) -> Server:
        """The server."""
        assert self.server is not None
        return self.server

    def fresh(self, root: Path) -> Path:
        """A new copy of the tree and of the database."""
        super().fresh(root)
        self.at.run(f"DROP DATABASE IF EXISTS {self._database(root)} WITH (FORCE)")
        self.at.run(f"CREATE DATABASE {self._database(root)} TEMPLATE {self._template}")
        return root

    def configuration(self, root: Path) -> str:
        """The database."""
        return f'[fleet]\ndatabase = "{self.at.url(self._database(root), self.role)}"\n'

    def files(self, root: Path) -> Files:
        """The files, and what the database has; an identity by whether it opens the fleet's keys."""
        found = files_of(root)
        with connect(self.at.url(self._database(root))) as database:
            rows = ""
            for query in _SEEN:
                with suppress(DkimctlError):  # no schema yet
                    rows += f"{database.rows(query)}\n"
            if rows and self.role == "owner" and f"/{IDENTITY}" in found and "[]" not in rows.splitlines()[-1]:
                open_vault(database, read_operator(root / IDENTITY))
        return found | {"/database": (rows.encode(), 0, 0, 0)}

    def _database(self, root: Path) -> str:
        return self._template if root.name == "pristine" else f"{self._template}_{root.name.replace('-', '_')}"


def _made(server: Server, name: str, arguments: tuple[str, ...], **more: object) -> FleetCase:
    case = FleetCase(name, lambda _: None, arguments, server=server, **more)  # type: ignore[arg-type]
    server.run(f"CREATE DATABASE {case._template}")
    return case


def _control(case: FleetCase, root: Path, *, has_keys: bool = True) -> None:
    """A control host, whose key directory has keys; `has_keys`: the fleet has them as well."""
    settings = replace(settings_for(root), fleet=Fleet(database=case.at.url(case._template)))
    manage(settings, "example.com", "example.net", phase=Phase.ACTIVE)
    init(settings)
    if has_keys:
        with control(settings) as (database, vault):
            import_keys(store_for(settings), database, vault)


def _relay(case: FleetCase, root: Path, *, is_member: bool = True) -> None:
    """A relay of such a fleet, whose Postfix has no signer yet."""
    own = [line for line in MAIN.splitlines(keepends=True) if "milter" not in line]
    write(root, "/etc/postfix/main.cf", "".join(own))
    beside = root.parent / "control"
    _control(case, beside)
    with connect(case.at.url(case._template)):
        case.role = f"faults_relay_{next(_numbers)}"
        case.at.run(f"CREATE ROLE {case.role} LOGIN IN ROLE dkimctl_relay")
    if is_member:
        settings = settings_for(root)
        with connect(case.at.url(case._template, case.role)) as database:
            fingerprint = join(settings, database, "mx1").fingerprint
        operator = replace(settings_for(beside), fleet=Fleet(database=case.at.url(case._template)))
        with control(operator) as (database, vault):
            approve(database, vault, "mx1", fingerprint)


def _init(server: Server) -> FleetCase:
    case = _made(server, "fleet init", ("fleet", "init"), keeps_copies=False, makes=("/fleet.age", "/database"))
    case.build = lambda root: root.mkdir()
    return case


def _join(server: Server) -> FleetCase:
    case = _made(server, "fleet join", ("fleet", "join", "mx1"), keeps_copies=False, makes=("/relay.age", "/database"))
    case.build = lambda root: _relay(case, root, is_member=False)
    return case


def _sync(server: Server) -> FleetCase:
    # its keys are there before the tables name them; 3: nobody has told a daemon of a tree
    ahead = ("/database", "/etc/opendkim/keys/", "/var/lib/dkimctl/")
    case = _made(server, "fleet sync", ("fleet", "sync"), ahead=ahead, code=3)
    case.build = lambda root: _relay(case, root)
    return case


def _export(server: Server) -> FleetCase:
    words = ("fleet", "export", "--output", "ROOT/srv/keys")
    case = _made(server, "fleet export", words, keeps_copies=False)
    case.build = lambda root: _control(case, root)
    return case


def _import(server: Server) -> FleetCase:
    case = _made(server, "fleet import", ("fleet", "import"), keeps_copies=False)
    case.build = lambda root: _control(case, root, has_keys=False)
    return case


FLEET_CASES: dict[str, Callable[[Server], Case]] = {
    "fleet init": _init,
    "fleet join": _join,
    "fleet sync": _sync,
    "fleet export": _export,
    "fleet import": _import,
}
