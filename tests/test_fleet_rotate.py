"""`rotate` on a control host: workers share what is due, and a switch waits for the relays."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK, timestamp
from dkimctl.config.load import load_settings
from dkimctl.config.settings import Fleet, Settings
from dkimctl.errors import ConfigError, UsageError
from dkimctl.fleet.access import control
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.init import init
from dkimctl.fleet.on_relays import FleetRelays
from dkimctl.fleet.queue import Worker
from dkimctl.fleet.relay_rows import beat, note_queue, own_row, to_prove
from dkimctl.fleet.store import PostgresStore
from dkimctl.fleet.work import rotate_fleet
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.lifecycle.due import when_again
from dkimctl.lifecycle.gather import identity
from dkimctl.lifecycle.machine import read_machine
from dkimctl.lifecycle.plan import Action, Do, Plan, Wait
from dkimctl.lifecycle.policy import DAY, Policy
from dkimctl.lifecycle.relays import Canary, NotHeld
from dkimctl.lifecycle.steps import Rotated, StepOutcome
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server
from tests.relay_fleet import RelayFleet
from tests.rendering import settings_for


def ago(hours: float) -> datetime:
    """So many hours before now."""
    return datetime.now(UTC) - timedelta(hours=hours)


@pytest.fixture
def settings(tmp_path: Path, postgres: Server, empty_database: str) -> Settings:
    """A control host whose fleet has an operator and no key."""
    made = replace(settings_for(tmp_path), fleet=Fleet(database=postgres.url(empty_database)))
    init(made)
    return made


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """Someone who looks on."""
    with connect(settings.fleet.database) as opened:
        yield opened


def add_domain(settings: Settings, database: Database, domain: str, *relays: str) -> None:
    """A domain whose relays sign with `old`, and which has a next key that DNS serves."""
    with control(settings) as (session, vault):
        store = PostgresStore(session, vault, settings.paths.keys)
        for selector, age in (("old", 400), ("new", 40)):
            pair = generate(Algorithm.ED25519)
            key = store.create(domain, selector, pair, b"", new_metadata("ed25519", 256, Tags(), ago(age)))
            times = {"written": age, "seen": age - 1, "confirmed": age - 2, "last_seen": 0.01}
            record = {name: timestamp(ago(hours)) for name, hours in times.items()} | {"ttl": 300}

            def known(metadata: Metadata, record: object = record) -> Metadata:
                return metadata._replace(facts={"record": record})

            store.advance(store.note(key, known), Phase.VERIFIED, ago(age - 2))
            if selector == "old":
                store.advance(store.find(key.name) or key, Phase.ACTIVE, ago(300))
    for relay in relays:
        database.run(
            "INSERT INTO dkimctl.relay (name, login, recipient, fingerprint, state, heartbeat) "
            "VALUES (%s, %s, %s, '', 'approved', now()) ON CONFLICT DO NOTHING",
            (relay, relay, relay),
        )
        note(database, relay, "old", "held = true, used = true, since = now() - interval '300 h', proven = now()")
        note(database, relay, "new", "held = true")


def note(database: Database, relay: str, selector: str, change: str) -> None:
    """A relay says what it does with its keys."""
    database.run(
        "INSERT INTO dkimctl.key_on_relay (relay, key) SELECT %s, id FROM dkimctl.key WHERE selector = %s "
        "ON CONFLICT DO NOTHING",
        (relay, selector),
    )
    database.run(
        f"UPDATE dkimctl.key_on_relay SET {change} WHERE relay = %s "
        "AND key IN (SELECT id FROM dkimctl.key WHERE selector = %s)",
        (relay, selector),
    )


def rotate(settings: Settings, *domains: str, begin: bool = False) -> Rotated:
    """A run."""
    return rotate_fleet(settings, domains, clock=SYSTEM_CLOCK, begin=domains if begin else ())


def switches(result: Rotated) -> list[StepOutcome]:
    """What became of the switches of a run."""
    return [step.outcome for step in result.steps if step.action is Do.SWITCH]


def phases(database: Database) -> dict[str, str]:
    """Selector → phase."""
    return dict(database.rows("SELECT selector, phase FROM dkimctl.key"))


def test_no_key_becomes_active_before_every_live_relay_holds_it(settings: Settings, database: Database) -> None:
    """One that lacks it holds the switch up and is named; a dead one does not, and keeps the old record there."""
    add_domain(settings, database, "a.example", "mx1", "mx2", "mx3")
    note(database, "mx2", "new", "held = false")
    database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '1 h' WHERE name = 'mx3'")
    note(database, "mx3", "new", "held = false")
    waiting = rotate(settings, "a.example", begin=True)
    assert switches(waiting) == [] and phases(database)["new"] == "verified"
    assert any("mx2 must hold new" in wait.proof for wait in waiting.waits)
    assert database.value("SELECT due < now() + interval '6 min' AND claimed_by IS NULL FROM dkimctl.domain")
    note(database, "mx2", "new", "held = true")
    generation = database.value("SELECT generation FROM dkimctl.fleet")
    assert switches(rotate(settings, "a.example")) == [StepOutcome.DONE]
    assert phases(database) == {"old": "retiring", "new": "active"}
    assert database.value("SELECT generation FROM dkimctl.fleet") == generation + 1  # both at once
    note(database, "mx1", "new", "used = true, since = now(), proven = now()")
    again = rotate(settings, "a.example")
    assert switches(again) == [StepOutcome.WAITS] and again.exit_code == 0
    assert "mx2, mx3" in next(step.proof for step in again.steps if step.action is Do.SWITCH)
    assert database.value("SELECT generation FROM dkimctl.fleet") == generation + 1


def test_a_dead_relay_is_waited_for_and_rarely_looked_at(settings: Settings, database: Database) -> None:
    """What waits for it alone is looked at no more than once a day, and minutes after it is heard from again."""
    soon = "SELECT due < now() + interval '6 min' FROM dkimctl.domain"
    add_domain(settings, database, "a.example", "mx1", "mx2")
    database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '30 d' WHERE name = 'mx2'")
    assert switches(rotate(settings, "a.example", begin=True)) == [StepOutcome.DONE]
    assert database.value(soon)  # for what mx1 confirms
    note(database, "mx1", "old", 'used = false, "left" = now()')
    note(database, "mx1", "new", "used = true, since = now(), proven = now()")
    waiting = rotate(settings, "a.example")
    assert switches(waiting) == [] and "mx2 (away) to sign with new" in [wait.proof for wait in waiting.waits]
    assert waiting.exit_code == 0 and not database.value(soon)
    note(database, "mx2", "old", "used = false, pinned = '{1}'")
    assert "may still sign with old, on mx2 (away)" in str(rotate(settings, "a.example").waits)
    database.run("UPDATE dkimctl.domain SET due = now() + interval '1 d'")
    beat(database, "mx1", "host", timedelta())
    assert not database.value(soon)
    beat(database, "mx2", "host", timedelta())
    assert database.value(soon)


def test_a_relay_proves_a_switch_again(settings: Settings, database: Database) -> None:
    """An hour and a day after it began to sign with a key, each once."""
    assert Policy().checks_after_switch == (3600, 86400)  # the statement has them as literals, for its index
    add_domain(settings, database, "a.example", "mx1")
    due = [(0, None), (1.1, 1.1), (23, 22.1), (25, 1.1)]
    not_due = [(0.9, 0.9), (23, 21.9), (25, 0.9), (9999, 9000)]
    for since, proven in (*due, *not_due):  # hours ago
        seen = "NULL" if proven is None else f"now() - interval '{proven} h'"
        note(database, "mx1", "old", f"since = now() - interval '{since} h', proven = {seen}")
        found = to_prove(database, "mx1", 9)
        assert found == ([("a.example", "old")] if (since, proven) in due else []), (since, proven)
    assert to_prove(database, "mx2", 9) == []


def test_a_relay_that_comes_back_meanwhile_is_waited_for(settings: Settings, database: Database) -> None:
    """What a worker planned before it was stopped is not done to a relay that was away then, and lives now."""
    add_domain(settings, database, "a.example", "mx1", "mx2")
    note(database, "mx2", "new", "held = false")
    with control(settings) as (session, vault):
        store = PostgresStore(session, vault, settings.paths.keys)
        [old, new] = store.keys("a.example")
        with pytest.raises(NotHeld, match="mx2 must hold new first"):
            FleetRelays(session, store).hand_over(new, [old], ago(0))
        assert phases(database) == {"old": "active", "new": "verified"}
        assert database.value("SELECT count(*) FROM dkimctl.key_on_relay WHERE tried IS NOT NULL") == 0
        note(database, "mx2", "new", "held = true")
        assert FleetRelays(session, store).hand_over(new, [old], ago(0))


def test_the_old_record_stays_until_every_relay_has_confirmed(settings: Settings, database: Database) -> None:
    """Nothing of the old key is taken away while one relay may still sign with it."""
    add_domain(settings, database, "a.example", "mx1", "mx2")
    assert switches(rotate(settings, "a.example", begin=True)) == [StepOutcome.DONE]
    for relay in ("mx1", "mx2"):
        note(database, relay, "new", "used = true, since = now(), proven = now()")
    note(database, "mx1", "old", "used = false, \"left\" = now() - interval '200 d'")
    seen = rotate(settings, "a.example")
    assert {step.action for step in seen.steps} <= {Do.LOOK, Do.SWITCH, Do.MAKE}
    note(database, "mx2", "old", "used = false")
    assert any("old" in wait.proof and wait.action is None for wait in rotate(settings, "a.example").waits)
    assert "connections that may still sign with old, on mx2" in str(database.value("SELECT waits FROM dkimctl.domain"))


def test_a_relay_may_have_signed_from_the_order_to_its_end(settings: Settings, database: Database) -> None:
    """The order is noted for each relay before it is told; one that is drained or removed has signed until then."""
    add_domain(settings, database, "a.example", "mx1", "mx2", "mx3")
    assert switches(rotate(settings, "a.example", begin=True)) == [StepOutcome.DONE]
    assert database.value("SELECT count(*) FROM dkimctl.key_on_relay WHERE tried IS NOT NULL") == 3
    assert database.value("SELECT due < now() + interval '6 min' FROM dkimctl.domain")  # for their confirmation
    database.run("UPDATE dkimctl.relay SET approved = now(), heartbeat = now() - interval '11 min' WHERE name = 'mx3'")
    database.run("UPDATE dkimctl.relay SET drained = '2026-11-23T10:00:00Z' WHERE name = 'mx2'")
    with control(settings) as (session, vault):
        store = PostgresStore(session, vault, settings.paths.keys)
        [old, new] = store.keys("a.example")
        facts = FleetRelays(session, store).facts_of("a.example")
        on_old, on_new = (facts[identity(store, key)] for key in (old, new))
    drained = int(datetime(2026, 11, 23, 10, tzinfo=UTC).timestamp())
    assert {name: (one.is_used, one.left, one.is_away) for name, one in on_old.items()} == {
        "mx1": (True, None, False),
        "mx2": (False, drained, True),
        "mx3": (True, None, True),
    }
    assert [one.may_sign for one in on_new.values()] == [True, False, True]


def test_what_another_worker_has_is_left_to_it(settings: Settings, database: Database) -> None:
    """A run takes what is due and free, gives it back, and ends; a domain that is claimed is not touched."""
    add_domain(settings, database, "a.example", "mx1")
    add_domain(settings, database, "b.example", "mx1")
    Worker(database).claim_named(["a.example"])
    rotate(settings)
    rows = database.rows("SELECT name, claimed_by IS NULL, due > now() FROM dkimctl.domain ORDER BY name")
    assert rows == [("a.example", False, False), ("b.example", True, True)]


def test_it_begins_with_the_identity_or_not_at_all(settings: Settings) -> None:
    """Without the fleet key nothing is claimed; a domain without a key is a mistake in typing."""
    with pytest.raises(UsageError, match="has no key"):
        rotate(settings, "none.example")
    settings.at(settings.fleet.identity).unlink()
    with pytest.raises(ConfigError, match="missing"):
        rotate(settings)


def test_rotate_reads_the_configuration(dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str) -> None:
    """With [fleet] database the command works for the fleet; with nothing due it is silent."""
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert "fleet.age" in dkimctl_inside("rotate").err
    assert dkimctl_inside("fleet", "init").code == 0
    assert (dkimctl_inside("rotate").code, dkimctl_inside("rotate").out) == (0, "")


def test_keys_are_made_and_published_in_the_fleet(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str
) -> None:
    """On a control host genkey, record, publish, hold and resume work on the fleet's keys, and leave no file here."""
    zone = dkimctl_inside.root / "zone"
    zone.write_text("$ORIGIN a.example.\n$TTL 3600\n@ SOA ns h 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n")
    configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    made = dkimctl_inside("genkey", "a.example", "-s", "s", "--algorithm", "ed25519")
    assert made.code == 0, made.err
    assert not (dkimctl_inside.root / "etc/opendkim/keys").exists()
    record = dkimctl_inside("record", "--format", "oneline")
    assert record.out.startswith("v=DKIM1") or "v=DKIM1" in record.out
    published = dkimctl_inside("publish", "a.example", "--provider", "zonefile:/zone", "--no-wait")
    assert published.code == 0 and "s._domainkey" in zone.read_text(), published.err
    assert dkimctl_inside("hold", "a.example", "--json").json["changed"] is True
    with connect(postgres.url(empty_database)) as database:
        assert database.row("SELECT phase, held FROM dkimctl.keys") == ("published", True)
        assert database.row("SELECT held FROM dkimctl.domains") == (True,)
    assert dkimctl_inside("resume", "a.example", "--json").json["changed"] is True


def test_revoke_does_not_wait_for_relays(
    dkimctl_inside: DkimctlInside, postgres: Server, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leaked key of the fleet: every relay is told at once to sign with the standby, a dead one is not waited for."""
    path = configure(dkimctl_inside.scratch, postgres, empty_database)
    assert dkimctl_inside("fleet", "init").code == 0
    settings = load_settings(str(path), str(dkimctl_inside.root), {})
    with connect(postgres.url(empty_database)) as database:
        add_domain(settings, database, "a.example", "mx1", "mx2")
        database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '1 h' WHERE name = 'mx2'")
        note(database, "mx2", "new", "held = false")
        server = ("--nameserver", "127.0.0.1:9")
        ended = dkimctl_inside("revoke", "a.example", "--leaked", "key", "--timeout", "0", "--json", *server)
        assert phases(database)["new"] == "active", ended.err
        leak = "SELECT metadata -> 'facts' ->> 'leak' FROM dkimctl.key WHERE selector = 'old'"
        assert database.value(leak) == "key"
        assert ended.code == 3 and ended.json["changed"] is True  # no name server was asked, so it may be served


def test_a_proof_that_only_relays_can_make_keeps_no_worker_busy() -> None:
    """A domain is due again soon for what a worker could not do yet, and not for what is none of its business."""
    prove, look = (Action(do, "rsa", "key") for do in (Do.PROVE, Do.LOOK))
    assert when_again(Plan((prove,), 5000, ()), 1000) == 5000
    assert when_again(Plan((prove, look), 5000, ()), 1000) is None
    assert when_again(Plan((), 90_000, (Wait("connections", do=Do.REVOKE),)), 1000) == 4600
    away = Wait("connections", do=Do.REVOKE, is_for_away=True)
    assert when_again(Plan((), 90_000, (away,)), 1000) == 90_000


def test_the_first_switch_is_a_trial_of_the_others(settings: Settings, database: Database) -> None:
    """One domain first; the others once every relay that lives has proven it, and none while a relay fails."""
    domains = [f"d{number}.example" for number in range(5)]
    for domain in domains:
        add_domain(settings, database, domain, "mx1", "mx2", "mx3")
    database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '1 h' WHERE name = 'mx3'")
    active = "SELECT count(*) FROM dkimctl.key WHERE phase = 'active' AND selector = 'new'"
    first = rotate(settings, *domains, begin=True)
    assert switches(first) == [StepOutcome.DONE, StepOutcome.WAITS] and first.exit_code == 0
    assert "4 more domains" in first.steps[-1].proof
    told = "proven = now(), used = true WHERE tried IS NOT NULL AND relay = "
    database.run(f"UPDATE dkimctl.key_on_relay SET {told} 'mx1'")
    assert StepOutcome.DONE not in switches(rotate(settings, *domains)) and database.value(active) == 1
    database.run("UPDATE dkimctl.key_on_relay SET failed = now() WHERE tried IS NOT NULL AND relay = 'mx2'")
    failing = rotate(settings, *domains)
    assert failing.exit_code == 3 and database.value(active) == 1
    assert any("do not sign as they should with 1 of today's 1 key" in step.proof for step in failing.steps)
    database.run(f"UPDATE dkimctl.key_on_relay SET failed = NULL, {told} 'mx2'")
    assert switches(rotate(settings, *domains)).count(StepOutcome.DONE) == 4
    assert database.value(active) == 5


def test_a_leaked_key_waits_for_no_trial(settings: Settings, database: Database) -> None:
    """Every domain whose key others may have is switched at once."""
    for domain in ("a.example", "b.example"):
        add_domain(settings, database, domain, "mx1")
    database.run(
        "UPDATE dkimctl.key SET metadata = jsonb_set(metadata, '{facts,leak}', '\"key\"') WHERE selector = 'old'"
    )
    assert switches(rotate(settings, "a.example", "b.example", begin=True)) == [StepOutcome.DONE] * 2


def test_a_hundred_switches_follow_each_that_is_proven() -> None:
    """One domain, then 1 %, then the rest; three failures or 1 % stop the others."""
    waves = [Canary(0, 0, 0), Canary(1, 0, 0), Canary(1, 1, 0), Canary(100, 40, 0), Canary(1000, 998, 2)]
    assert [canary.allowed for canary in waves] == [1, 0, 99, 3900, 98800]
    stopped = [Canary(1, 0, 1), Canary(100, 99, 1), Canary(1000, 990, 3), Canary(50, 0, 50)]
    assert all(canary.is_stopped and canary.allowed == 0 for canary in stopped)


def test_the_first_key_of_a_domain_becomes_active_where_a_relay_signs(settings: Settings, database: Database) -> None:
    """A relay begins with a key that DNS serves; a relay that comes later then takes no other one for it."""
    add_domain(settings, database, "a.example", "mx1", "mx2")
    database.run("UPDATE dkimctl.key SET phase = 'verified', metadata = jsonb_set(metadata, '{phase}', '\"verified\"')")
    rotate(settings, "a.example")
    assert phases(database) == {"old": "active", "new": "verified"}


def test_the_oldest_message_of_any_relay_counts(settings: Settings, database: Database) -> None:
    """What a relay has not reported is not known, and counts as of any age; empty queues hold nothing up."""
    add_domain(settings, database, "a.example", "mx1", "mx2")

    def machine() -> tuple[int | None, str, int]:
        with control(settings) as (session, vault):
            relays = FleetRelays(session, PostgresStore(session, vault))
            return read_machine(settings, 0, relays)[2:5]

    note_queue(database, "mx1", 0, None, 5 * DAY)
    assert machine() == (0, "mail in the queue of mx2, which is not known here", 5 * DAY)
    note_queue(database, "mx2", 0, None, 9 * DAY)
    assert machine() == (None, "", 9 * DAY)
    since = datetime(2026, 11, 23, 10, tzinfo=UTC)
    note_queue(database, "mx2", 2, since, 5 * DAY)
    assert machine()[:2] == (int(since.timestamp()), "a message in the queue of mx2 since 2026-11-23T10:00:00Z")


def test_a_relay_may_report_its_queue(fleet_database: str, postgres: Server, tmp_path: Path) -> None:
    """With the rights of its role, and for itself alone."""
    fleet = RelayFleet(tmp_path, postgres, fleet_database)
    with fleet.database:
        relays = [fleet.relay(name) for name in ("mx1", "mx2")]
        with connect(relays[0].url) as own:
            note_queue(own, "mx1", 3, None, DAY)
            note_queue(own, "mx2", 4, None, DAY)
            row = own_row(own)
        assert row is not None and row.queue_age is not None
        assert fleet.database.rows("SELECT name, queued FROM dkimctl.relays ORDER BY name") == [
            ("mx1", 3),
            ("mx2", None),
        ]


def test_after_a_long_gap_a_worker_only_looks_also_on_a_new_host(settings: Settings, database: Database) -> None:
    """Where nothing was done for longer than keep_after, a due switch waits for an hour, and a person for nothing."""
    add_domain(settings, database, "a.example", "mx1")
    eager = replace(settings, lifecycle=settings.lifecycle._replace(rotate_after=9 * DAY))
    database.run("UPDATE dkimctl.domain SET due = now() - interval '20 d'")
    first = rotate(eager)
    assert any("this run proves what is there" in step.proof for step in first.steps)
    assert switches(first) == [] and "a later run: none ran for longer" in str(first.waits)
    second = rotate(eager, "a.example")
    assert switches(second) == [] and "this run" not in str(second.steps)
    assert "a later run" in str(database.value("SELECT waits FROM dkimctl.domain"))
    assert switches(rotate(eager, "a.example", begin=True)) == [StepOutcome.DONE]


def test_a_host_that_is_new_to_a_fleet_at_work_waits_for_nothing(settings: Settings, database: Database) -> None:
    """Without a gap the same switch is done at once."""
    add_domain(settings, database, "a.example", "mx1")
    eager = replace(settings, lifecycle=settings.lifecycle._replace(rotate_after=9 * DAY))
    assert switches(rotate(eager)) == [StepOutcome.DONE]
