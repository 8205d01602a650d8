"""`fleet join`, `approve`, `sync`, `status`, `drain` and `remove`, as they are typed."""

import json
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.fleet.database import connect
from dkimctl.fleet.sync import Synced
from dkimctl.fleet.watch import watch
from dkimctl.keys.metadata import Phase
from tests.conftest import DkimctlInside, Run
from tests.fleet_keys import fleet_key
from tests.fleets import configure
from tests.postgres import Server, running
from tests.relay_fleet import RelayFleet
from tests.rendering import store_for


@pytest.fixture
def fleet(dkimctl_inside: DkimctlInside, postgres: Server, fleet_database: str) -> Iterator[RelayFleet]:
    """A fleet with a key, and the host `dkimctl_inside` with a relay's role."""
    made = RelayFleet(dkimctl_inside.scratch.home, postgres, fleet_database)
    with made.database:
        made.put(fleet_key("example.com", "one"))
        role = made.role().split("//")[1].split("@")[0]
        configure(dkimctl_inside.scratch, postgres, fleet_database, role)
        yield made


def control(dkimctl: DkimctlInside, fleet: RelayFleet, *words: str) -> Run:
    """Run a command as the control host: with the owner's role and the operator's identity."""
    root = dkimctl.scratch.home / "control"
    (root / "etc/dkimctl").mkdir(parents=True, exist_ok=True)
    identity = root / "etc/dkimctl/fleet.age"
    identity.write_text(fleet.identity.secret)
    identity.chmod(0o600)
    (root / "etc/dkimctl/dkimctl.toml").write_text(f'[fleet]\ndatabase = "{fleet.url}"\n')
    return dkimctl("fleet", *words, "--root", root)


def test_from_join_to_removal(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """A relay joins, is approved by its fingerprint, syncs, is seen, drained and removed; each repeats harmlessly."""
    first = dkimctl_inside("fleet", "sync")
    assert first.code == 2 and "dkimctl fleet join NAME" in first.err
    joined = dkimctl_inside("fleet", "join", "MX1", "--json").json
    assert joined["changed"] and joined["membership"]["state"] == "pending"
    fingerprint = joined["membership"]["fingerprint"]
    assert not dkimctl_inside("fleet", "join", "mx1", "--json").json["changed"]
    waiting = dkimctl_inside("fleet", "sync")
    assert waiting.code == 3 and f"waits for its approval: {fingerprint}" in waiting.err
    assert control(dkimctl_inside, fleet, "approve", "mx1").code == 1
    assert control(dkimctl_inside, fleet, "approve", "mx1", "--fingerprint", fingerprint).code == 0
    synced = dkimctl_inside("fleet", "sync", "--json").json
    assert synced["changed"] and synced["synced"]["generation"] == 1 and synced["synced"]["keys"] == 1
    assert " example.com:one:/" in (dkimctl_inside.root / "etc/opendkim/KeyTable").read_text()
    for command in ("record", "render-config", "why"):
        words = (command, "a@example.com", "--no-dns") if command == "why" else (command,)
        assert dkimctl_inside(*words).code in (0, 1), command
    seen = json.loads(control(dkimctl_inside, fleet, "status", "--json").out)["fleet"]
    assert [(relay["name"], relay["state"], relay["is_alive"]) for relay in seen["relays"]] == [
        ("mx1", "approved", True)
    ]
    metrics = control(dkimctl_inside, fleet, "status", "--format", "prometheus").out
    assert 'dkimctl_fleet_relay_alive{relay="mx1"} 1\n' in metrics and "dkimctl_fleet_keys 1\n" in metrics
    assert control(dkimctl_inside, fleet, "drain", "mx1").code == 0
    assert control(dkimctl_inside, fleet, "remove", "mx1", "--compromised").code == 0
    assert "1 keys marked as leaked" not in control(dkimctl_inside, fleet, "remove", "mx1", "--compromised").out
    assert "was removed from the fleet" in dkimctl_inside("fleet", "sync").err


def test_a_silent_relay_is_named_with_the_way_on(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """Old keys wait for a relay that should live: it is an error, and says since when and what to do."""
    fleet.relay("mx2").sync()
    fleet.database.run("UPDATE dkimctl.relay SET heartbeat = '2026-11-23T10:00:00Z'")
    seen = control(dkimctl_inside, fleet, "status")
    assert seen.code == 1 and "silent since 2026-11-23T10:00:00Z" in seen.out
    assert "dkimctl fleet drain mx2" in seen.out and "no old key ends before it is back" in " ".join(seen.out.split())


def test_before_its_signer_starts_a_relay_asks_once(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """It takes what changed; where nobody answers it starts with what it has, unless that is older than allowed."""
    fingerprint = dkimctl_inside("fleet", "join", "mx1", "--json").json["membership"]["fingerprint"]
    control(dkimctl_inside, fleet, "approve", "mx1", "--fingerprint", fingerprint)
    assert dkimctl_inside("fleet", "sync", "--before-start", "--json").json["synced"]["generation"] == 1
    config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    config.write_text('[fleet]\ndatabase = "postgresql://127.0.0.1:9/none"\n')
    started = dkimctl_inside("fleet", "sync", "--before-start")
    assert started.code == 0 and "starts with the keys that are here: cannot connect" in started.err
    config.write_text(config.read_text() + 'max_stale = "1h"\n')
    assert dkimctl_inside("fleet", "sync", "--before-start").code == 0
    state = dkimctl_inside.root / "var/lib/dkimctl/fleet.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"synced": "2026-01-01T00:00:00Z"}))
    refused = dkimctl_inside("fleet", "sync", "--before-start")
    assert refused.code == 1 and "the last sync was 2026-01-01T00:00:00Z" in refused.err
    assert dkimctl_inside("fleet", "sync", "--before-start", "--watch").code == 2


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    with running() as server:
        yield server


def test_a_watching_relay_outlives_its_database(own_server: Server, tmp_path: Path) -> None:
    """News arrive at once; while the database is away the relay keeps what it has, and afterwards it catches up."""
    fleet = RelayFleet(tmp_path, own_server, own_server.new_database())
    passes: Queue[Synced | DkimctlError] = Queue()
    stop = Event()
    fleet.put(fleet_key("example.com", "one"))
    relay = fleet.relay("mx1")
    follower = Thread(
        target=watch,
        args=(relay.settings, store_for(relay.settings)),
        kwargs={"clock": SYSTEM_CLOCK, "stop": stop, "passed": passes.put, "failed": passes.put, "heartbeat": 30.0},
    )
    follower.start()
    try:
        assert _of(passes).generation == 1
        fleet.put(fleet_key("example.com", "one", Phase.RETIRING), fleet_key("example.com", "two"))
        assert _of(passes).generation == 2 and relay.rows() == ["two._domainkey.example.com"]
        fleet.database.close()
        own_server.stop()
        assert isinstance(passes.get(timeout=60), Unavailable) and relay.rows() == ["two._domainkey.example.com"]
        own_server.start()
        with connect(fleet.url) as fleet.database:
            while not isinstance(found := passes.get(timeout=60), Synced):
                pass
            assert found.generation == 2
            fleet.put(fleet_key("example.org", "one"))
            assert _of(passes).generation == 3
    finally:
        stop.set()
        own_server.stop()
        follower.join(90)


def _of(passes: "Queue[Synced | DkimctlError]") -> Synced:
    found = passes.get(timeout=60)
    assert isinstance(found, Synced), found
    return found
