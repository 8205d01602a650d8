"""Three relays, each with a real opendkim, one PostgreSQL: a rotation, an outage of the database, a kill."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from dkimctl.fleet.membership import approve
from dkimctl.keys.metadata import Phase
from dkimctl.milter.client import offer
from dkimctl.milter.message import probe_message
from dkimctl.opendkim.sockets import parse_socket
from tests.conftest import needs
from tests.fleet_keys import fleet_key
from tests.postgres import Server
from tests.real.machine import START, Machine
from tests.real.test_rotate_unit import inside_unit
from tests.relay_fleet import RelayFleet

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)

NAMES = ("mx1", "mx2", "mx3")
DOMAIN = "example.com"
FOLLOW = """setsid "$@" >/dev/null 2>&1 & echo $!"""
KILL = """while [ ! -e "$1" ]; do sleep 0.01; done; kill -9 "$2" """


class Relays:
    """The machines of a fleet, each with a process that follows the database."""

    def __init__(self, fleet: RelayFleet, machines: list[Machine], pool: ThreadPoolExecutor) -> None:
        self.fleet, self.machines, self._pool = fleet, machines, pool
        self.followers = self.each(follow)

    def each(self, work: Callable[[Machine], Any]) -> list[Any]:
        """Do this on every machine, all at a time."""
        return list(self._pool.map(work, self.machines))

    def later(self, work: Callable[[], Any]) -> "Future[Any]":
        """Begin this, and go on."""
        return self._pool.submit(work)

    def confirmed(self, generation: int) -> bool:
        """Wait until every relay has confirmed a generation."""
        counted = "SELECT count(*) FROM dkimctl.relay WHERE generation = %s"
        return wait_until(lambda: self.fleet.database.value(counted, (generation,)) == len(self.machines))

    def on_relays(self, selector: str, what: str) -> int:
        """On how many relays this is so of a key."""
        counted = (
            f"SELECT count(*) FROM dkimctl.key_on_relay JOIN dkimctl.key ON key = id WHERE selector = %s AND {what}"
        )
        return int(self.fleet.database.value(counted, (selector,)))

    def selectors(self) -> list[str]:
        """With which key each relay's daemon signs a message."""
        return self.each(selector_of)


def wait_until(happened: Callable[[], bool]) -> bool:
    """Wait until something is so, for at most two minutes; return whether it is."""
    return any(happened() or sleep(0.1) for _ in range(1200))


def follow(machine: Machine) -> str:
    """Start `fleet sync --watch`; return its process there."""
    command = (sys.executable, "-c", START, "", "fleet", "sync", "--watch")
    return machine.run("sh", "-c", FOLLOW, "sh", *command).stdout.strip()


def selector_of(machine: Machine) -> str:
    """With which key its daemon signs, as its signature says; empty for none."""
    socket = parse_socket(f"local:{machine.directory}/spool/opendkim/opendkim.sock")
    reply = offer(socket, probe_message(DOMAIN, datetime.now(UTC)), job="FLEET")
    tags = "".join((reply.signature or "").split()).split(";")
    return next((tag.removeprefix("s=") for tag in tags if tag.startswith("s=")), "")


@pytest.fixture
def relays(short_path: Path, postgres: Server, fleet_database: str) -> Iterator[Relays]:
    """Three relays that have joined, were given the fleet's first key, and run a daemon with it."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(NAMES)))
        fleet = RelayFleet(short_path, postgres, fleet_database)
        stack.callback(lambda: fleet.database.close())
        fleet.put(fleet_key(DOMAIN, "one"))
        for name in NAMES:
            (short_path / name).mkdir()
        machines = [stack.enter_context(Machine(short_path / name)) for name in NAMES]
        for machine in machines:
            (machine.directory / "etc/dkimctl").mkdir()
            text = f'[fleet]\ndatabase = "{fleet.role()}"\n'
            (machine.directory / "etc/dkimctl/dkimctl.toml").write_text(text)
        joined = pool.map(lambda name, one: one.dkimctl("fleet", "join", name, "--json").stdout, NAMES, machines)
        for name, said in zip(NAMES, joined, strict=True):
            approve(fleet.database, fleet.vault, name, json.loads(said)["membership"]["fingerprint"])
        made = Relays(fleet, machines, pool)
        assert all(wait_until((one.directory / "state/fleet.json").exists) for one in machines)
        assert fleet.database.value("SELECT max(generation) FROM dkimctl.relay") == 0  # no daemon: nothing is proven
        made.each(lambda machine: machine.start_opendkim())
        yield made


def test_every_relay_follows_and_nothing_stops_the_signing(relays: Relays, postgres: Server) -> None:
    """A key reaches every relay before any signs with it; an outage and a kill delay what comes, and no message."""
    fleet = relays.fleet
    fleet.put(fleet_key(DOMAIN, "two", Phase.VERIFIED))
    assert relays.confirmed(2) and relays.selectors() == ["one"] * 3
    assert relays.on_relays("one", "used AND proven IS NOT NULL") == relays.on_relays("two", "held AND NOT used") == 3

    fleet.put(fleet_key(DOMAIN, "one", Phase.RETIRING), fleet_key(DOMAIN, "two"))
    assert relays.confirmed(3) and relays.selectors() == ["two"] * 3
    assert relays.on_relays("two", "used AND proven IS NOT NULL") == 3

    fleet.database.close()
    postgres.stop()
    try:
        assert relays.selectors() == ["two"] * 3
    finally:
        postgres.start()
    fleet.reconnect()
    machine, new = relays.machines[0], f"/etc/opendkim/keys/{DOMAIN}/three.private"
    killing = relays.later(lambda: machine.run("sh", "-c", KILL, "sh", new, relays.followers[0]))
    fleet.put(fleet_key(DOMAIN, "two", Phase.RETIRING), fleet_key(DOMAIN, "three"))
    killing.result()
    assert selector_of(machine) in ("two", "three")
    follow(machine)
    assert relays.confirmed(4) and relays.selectors() == ["three"] * 3
    assert relays.on_relays("one", 'NOT used AND "left" IS NOT NULL') == 3


def test_a_unit_before_the_first_pass_by_hand_says_so(short_path: Path, postgres: Server, fleet_database: str) -> None:
    """No unit may write opendkim.conf: it says what to type; once that was typed the unit installs every later key."""
    with Machine(short_path) as machine:
        fleet = RelayFleet(short_path, postgres, fleet_database)
        try:
            (machine.directory / "etc/dkimctl").mkdir()
            text = f'[fleet]\ndatabase = "{fleet.role()}"\n[paths]\nkeys = "/etc/dkim-keys"\n'
            (machine.directory / "etc/dkimctl/dkimctl.toml").write_text(text)
            said = machine.dkimctl("fleet", "join", "mx1", "--json").stdout
            approve(fleet.database, fleet.vault, "mx1", json.loads(said)["membership"]["fingerprint"])
            early = machine.dkimctl("fleet", "sync", check=False, before=inside_unit())
            assert early.returncode == 3 and "run the same command once by hand" in " ".join(early.stderr.split())
            machine.dkimctl("fleet", "sync", check=False)
            machine.start_opendkim()
            fleet.put(fleet_key(DOMAIN, "one"))
            later = machine.dkimctl("fleet", "sync", check=False, before=inside_unit("/etc/dkim-keys"))
            assert later.returncode == 0, later.stderr
            assert selector_of(machine) == "one"
        finally:
            fleet.database.close()
