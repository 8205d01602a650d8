"""Two at once in a fleet: one command is stopped when it reads, locks, writes or asks the database, and another comes.

Nothing that either of them wrote is lost, and every private key opens. `DKIMCTL_TEST_FULL=1` stops at every moment of
each pair; without it a few random ones are tried.
"""

import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.config.settings import Fleet, Settings
from dkimctl.fleet.access import control
from dkimctl.fleet.database import connect
from dkimctl.fleet.importing import import_keys
from dkimctl.fleet.init import init
from dkimctl.fleet.membership import approve, join
from dkimctl.fleet.vault import open_vault, read_operator
from dkimctl.keys.metadata import Phase
from tests.conftest import FULL, needs
from tests.host_tree import MAIN as MAIN_CF
from tests.postgres import Server
from tests.rendering import manage, settings_for, store_for, write
from tests.test_lost_updates import EDITED, MAIN, TABLE, Writer, between, fresh, text

SAMPLE = 3
pytestmark = needs("postconf", root=True)


class Host:
    """A control host or a relay, and the database that its copies begin with."""

    def __init__(self, place: Path, server: Server, name: str) -> None:
        self.name, self.server, self.pristine = name, server, place / name
        self.database = f"pairs_{name}"
        self.role = "owner"
        server.run(f"CREATE DATABASE {self.database}")
        self.pristine.mkdir()

    def url(self, *, of_copy: bool = True) -> str:
        """How its database, or that of its copy, is reached."""
        return self.server.url(f"{self.database}_copy" if of_copy else self.database, self.role)

    def copy(self, root: Path) -> Path:
        """A new copy of the host and of the database."""
        fresh(self.pristine, root)
        self.server.run(f"DROP DATABASE IF EXISTS {self.database}_copy WITH (FORCE)")
        self.server.run(f"CREATE DATABASE {self.database}_copy TEMPLATE {self.database}")
        write(root, "/etc/dkimctl/dkimctl.toml", f'[fleet]\ndatabase = "{self.url()}"\n')
        return root


def a_key(host: Host) -> Settings:
    """A host with a key, which no fleet has."""
    settings = replace(settings_for(host.pristine), fleet=Fleet(database=host.url(of_copy=False)))
    manage(settings, "a.example.net", phase=Phase.ACTIVE)
    return settings


def a_fleet(host: Host) -> None:
    """A fleet with that key, a second one on the disk alone, and two relays that were approved."""
    settings = a_key(host)
    init(settings)
    with control(settings) as (database, vault):
        import_keys(store_for(settings), database, vault)
        manage(settings, "b.example.net", phase=Phase.ACTIVE)
        for name in ("mx1", "mx2"):
            role = f"{host.database}_{name}"
            host.server.run(f"CREATE ROLE {role} LOGIN IN ROLE dkimctl_relay")
            with connect(host.server.url(host.database, role)) as session:
                place = host.pristine if name == "mx1" else host.pristine / "elsewhere"
                fingerprint = join(settings_for(place), session, name).fingerprint
            approve(database, vault, name, fingerprint)


def a_relay(host: Host) -> None:
    """The first of those relays, which has nothing yet."""
    a_fleet(host)
    settings = replace(settings_for(host.pristine), fleet=Fleet(database=host.url(of_copy=False)))
    with control(settings) as (database, vault):
        import_keys(store_for(settings), database, vault)
    subprocess.run(["rm", "-r", host.pristine / "etc/opendkim", host.pristine / "etc/dkimctl/fleet.age"], check=True)
    own = [line for line in MAIN_CF.splitlines(keepends=True) if "milter" not in line]
    write(host.pristine, "/etc/postfix/main.cf", "".join(own))
    host.role = f"{host.database}_mx1"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> dict[str, Host]:
    """Each kind of host, made once."""
    place = tmp_path_factory.mktemp("fleet")
    made = {name: Host(place, postgres, name) for name in ("new", "fleet", "relay", "joins")}
    a_key(made["new"])
    a_fleet(made["fleet"])
    a_relay(made["relay"])
    a_relay(made["joins"])
    (made["joins"].pristine / "etc/dkimctl/relay.age").unlink()
    postgres.run("CREATE ROLE pairs_joins LOGIN IN ROLE dkimctl_relay")
    made["joins"].role = "pairs_joins"
    return made


# --- what must be there afterwards


def keys_in(root: Path, url: str) -> set[str]:
    """The domains of the fleet's keys, after each was opened."""
    with connect(url) as database:
        vault = open_vault(database, read_operator(root / "etc/dkimctl/fleet.age"))
        rows = database.rows("SELECT domain, selector, identity, sealed, fleet_key FROM dkimctl.key")
    for domain, selector, identity, sealed, number in rows:
        vault.unseal(number, bytes(sealed), domain=domain, selector=selector, identity=identity)
    return {row[0] for row in rows}


def has_keys(*domains: str) -> Callable[[Path], bool]:
    """Whether the fleet has keys of these domains."""
    return lambda root: {*domains} <= keys_in(root, configured(root))


def configured(root: Path) -> str:
    """The database of a host."""
    return text(root, "/etc/dkimctl/dkimctl.toml").split('"')[1]


def state_of(root: Path, relay: str) -> str:
    """The state of a relay, which has the current fleet key exactly when it is approved."""
    with connect(configured(root)) as database:
        state, has_key = database.rows(
            "SELECT state, EXISTS (SELECT FROM dkimctl.fleet_key_wrap wrap, dkimctl.fleet"
            " WHERE wrap.relay = name AND wrap.fleet_key = fleet.fleet_key) FROM dkimctl.relay WHERE name = %s",
            (relay,),
        )[0]
    return str(state) if has_key == (state == "approved") else f"{state}, and its envelope is not right"


def fleet(*words: str, is_there: Callable[[Path], bool], codes: tuple[int, ...] = (0,)) -> Writer:
    """A command of a fleet."""
    return Writer((("fleet", *words),), is_there, codes)


def is_synced(root: Path) -> bool:
    """Whether a relay has both keys, and signs with them."""
    keys = root / "etc/opendkim/keys"
    return all(
        f" {domain}:mail:/" in text(root, TABLE) and (keys / domain / "mail.private").exists()
        for domain in ("a.example.net", "b.example.net")
    )


def is_exported(root: Path) -> bool:
    """Whether the fleet's key is there, octet for octet."""
    name = "a.example.net/mail.private"
    place = root / "srv/keys" / name
    return place.exists() and place.read_bytes() == (root / "etc/opendkim/keys" / name).read_bytes()


def has_joined(root: Path) -> bool:
    """Whether the database has the identity that is on the disk."""
    with connect(configured(root)) as database:
        recipient = database.value("SELECT recipient FROM dkimctl.relay WHERE login = session_user")
    return f"public key: {recipient}\n" in text(root, "/etc/dkimctl/relay.age")


GAVE_WAY = (0, 3)
"""3: the fleet key was turned over meanwhile; the same command again does its work."""
IMPORT = fleet("import", is_there=has_keys("a.example.net", "b.example.net"), codes=GAVE_WAY)
GENKEY = Writer((("genkey", "-s", "n", "c.example.net"),), has_keys("c.example.net"), GAVE_WAY)
REMOVE = fleet(
    "remove", "mx1", "--compromised", is_there=lambda root: state_of(root, "mx1") == "removed", codes=GAVE_WAY
)
APPROVE = fleet("approve", "mx2", is_there=lambda root: state_of(root, "mx2") == "approved", codes=GAVE_WAY)
EXPORT = fleet("export", "--output", "ROOT/srv/keys", is_there=is_exported, codes=GAVE_WAY)
SYNC = fleet("sync", is_there=is_synced, codes=(3,))  # no daemon of a tree can be told
JOIN = fleet("join", "mx9", is_there=has_joined)
INIT = fleet("init", is_there=has_keys())
RENDER = Writer((("render-config", "--install"),), is_synced, (0, 1, 2, 3))
POSTCONF = Writer((("postconf", "-c", MAIN, "-e", EDITED[MAIN]),), lambda root: EDITED[MAIN] in text(root, MAIN))
HOLD = Writer((("hold", "a.example.net"),), has_keys("a.example.net"))
PAIRS = {
    "new": [(INIT, INIT)],
    "joins": [(JOIN, JOIN)],
    "relay": [(SYNC, SYNC), (SYNC, POSTCONF), (SYNC, RENDER)],
    "fleet": [
        *((one, REMOVE) for one in (IMPORT, GENKEY, APPROVE, EXPORT, HOLD)),
        *((REMOVE, one) for one in (IMPORT, GENKEY, APPROVE, EXPORT, HOLD)),
        *((IMPORT, IMPORT), (IMPORT, GENKEY), (GENKEY, IMPORT), (EXPORT, EXPORT), (EXPORT, IMPORT)),
    ],
}


def at(root: Path, writer: Writer) -> Writer:
    """The writer for this copy of a host."""
    commands = tuple(tuple(word.replace("ROOT", str(root)) for word in words) for words in writer.commands)
    return replace(writer, commands=commands)


def lost(host: Host, root: Path, pair: tuple[Writer, Writer], moment: int) -> list[str]:
    """What is wrong after this pair, stopped at this moment; who gave way is run again."""
    first, second = (at(host.copy(root), writer) for writer in pair)
    points, errors = between(root, first, second, moment)
    for writer in (first, second):
        if not errors and not writer.is_there(root) and 3 in writer.codes:
            errors += [f"again: {error}" for error in between(root, writer, None, 0)[1]]
        if not errors and not writer.is_there(root):
            errors.append(f"lost: {writer.commands}")
    names = [writer.commands[0] for writer in pair]
    return [f"{host.name}: {names} at {moment} of {points}: {error}" for error in errors]


def test_nothing_of_a_fleet_is_lost(
    hosts: dict[str, Host], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whatever one of the two was doing when the other came: both end well or say that they gave way."""
    chance, root, wrong, rounds = random.Random(20261130), tmp_path / "root", [], 0
    cases = [(host, pair) for host, pairs in PAIRS.items() for pair in pairs]
    for name, pair in cases if FULL else chance.sample(cases, SAMPLE):
        host = hosts[name]
        points = between(host.copy(root), at(root, pair[0]), None, 0)[0]
        moments = range(1, points + 1)
        for moment in moments if FULL else [chance.choice(moments)]:
            rounds += 1
            wrong += lost(host, root, pair, moment)
    record_property("counted: rounds of two that write at once in a fleet", rounds)
    record_property("counted: updates lost in a fleet", len(wrong))
    assert wrong == [], "\n".join(wrong[:10])
