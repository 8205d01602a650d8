"""The commands of every day on a fleet's control host: they work on the fleet's keys, and miss no signer."""

from collections.abc import Iterator

import pytest

from dkimctl import api
from dkimctl.config.load import load_settings
from dkimctl.fleet.identity import make_identity
from dkimctl.fleet.queue import Worker
from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside, Run
from tests.fleet_keys import fleet_key
from tests.fleets import configure
from tests.postgres import Server
from tests.relay_fleet import RelayFleet, RelayTree


@pytest.fixture
def fleet(dkimctl_inside: DkimctlInside, postgres: Server, fleet_database: str) -> Iterator[RelayFleet]:
    """A fleet with a key that signs and one on standby, whose control host is `dkimctl_inside`."""
    made = RelayFleet(dkimctl_inside.scratch.home, postgres, fleet_database)
    identity = dkimctl_inside.root / "etc/dkimctl/fleet.age"
    configure(dkimctl_inside.scratch, postgres, fleet_database, more='provider = "zonefile:/zone"')
    (dkimctl_inside.root / "zone").write_text("$ORIGIN example.com.\n@ 60 SOA ns h 1 60 60 60 60\n")
    identity.write_text(made.identity.secret)
    identity.chmod(0o600)
    with made.database:
        made.put(
            fleet_key("example.com", "one", key_pair=generate(Algorithm.ED25519)),
            fleet_key("example.com", "two", Phase.VERIFIED, key_pair=generate(Algorithm.ED25519)),
        )
        yield made


@pytest.fixture
def relay(fleet: RelayFleet) -> RelayTree:
    """A relay that signs with it."""
    made = fleet.relay("mx1")
    made.sync()
    return made


def codes(run: Run) -> set[str]:
    """Return the codes of the findings."""
    return {finding["code"] for finding in run.json["findings"]}


def test_status_is_of_the_fleets_keys(dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree) -> None:
    """A proof is what a relay has seen, and no phase; the local key directory does not count."""
    found = dkimctl_inside("status", "--json").json["status"]
    assert [(key["selector"], key["phase"], key["proven"]) for key in found["keys"]] == [
        ("one", "active", None),
        ("two", "verified", None),
    ]
    fleet.database.run("UPDATE dkimctl.key_on_relay SET proven = '2026-11-23T10:00:00Z' WHERE used")
    document = dkimctl_inside("status", "example.com", "--json").json
    assert document["status"]["keys"][0]["proven"] == "2026-11-23T10:00:00Z"
    assert {life["selector"] for life in document["timeline"]} == {"one", "two"}
    assert dkimctl_inside("status", "--format", "html").code == 0
    ledger = dkimctl_inside("status", "--format", "ledger").json["ledger"]
    assert [(one["selector"], one["signs_until"]) for one in ledger] == [("one", None)]
    assert dkimctl_inside("status", "example.org").code == 2


def test_the_api_says_what_the_command_does(dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree) -> None:
    """Of the fleet's keys, and of a relay with which something is wrong."""
    fleet.database.run("UPDATE dkimctl.relay SET problem = 'it does not sign'")
    command = dkimctl_inside("status", "--json").json["status"]
    settings = load_settings(root=str(dkimctl_inside.root), environment={})
    found = api.status(settings)
    assert [key.selector for key in found.keys] == [key["selector"] for key in command["keys"]] == ["one", "two"]
    assert {one.code for one in found.findings} == {one["code"] for one in command["findings"]} >= {"DKIM963"}
    assert [key.selector for key in api.status(settings, ["example.com"]).keys] == ["one", "two"]


def test_nobody_rotates_a_fleet(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """It does not matter on which host rotate runs, but that the work is done."""
    assert "DKIM916" not in codes(dkimctl_inside("doctor", "--json"))
    fleet.database.run("UPDATE dkimctl.domain SET due = now() - interval '4 days'")
    assert "DKIM916" in codes(dkimctl_inside("doctor", "--json"))
    assert [finding["code"] for finding in dkimctl_inside("status", "--json").json["status"]["findings"]] == ["DKIM916"]


def test_verify_dns_compares_with_the_fleets_keys(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """Of all domains, of a named one, and of a list: the standby as well."""
    names = dkimctl_inside.scratch.home / "names"
    names.write_text("example.com one\n")
    for words, owners in (((), 2), (("example.com",), 2), (("--from-file", str(names)), 1)):
        run = dkimctl_inside("verify-dns", *words, "--json", "--nameserver", "127.0.0.1:9")
        assert run.code == 3 and len(run.json["reports"]) == owners, (words, run.err)


def test_a_domain_of_200_keys_is_compared_in_one_session(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """What many processes share is no session at the database."""
    fleet.put(*(fleet_key(f"d{number:03}.example", "one") for number in range(200)))
    run = dkimctl_inside("verify-dns", "--json", "--nameserver", "127.0.0.1:9")
    assert run.code == 3 and len(run.json["reports"]) == 202


def test_doctor_says_what_concerns_the_fleet(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree
) -> None:
    """A host that only controls needs no opendkim; a silent relay is an error, one that waits is a warning."""
    sound = dkimctl_inside("doctor", "--json")
    assert (sound.code, codes(sound)) == (0, {"DKIM960"})
    fleet.relay("mx2", approved=False)
    assert codes(dkimctl_inside("doctor", "--json")) == {"DKIM960", "DKIM964"}
    fleet.database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '1 hour'")
    fleet.database.run("UPDATE dkimctl.domain SET failed = 'the zone is not found'")
    wrong = dkimctl_inside("doctor")
    assert wrong.code == 1 and "mx1" in wrong.out and "dkimctl fleet drain mx1" in wrong.out
    assert "the zone is not found" in wrong.out and "DKIM720" not in wrong.out


def test_doctor_on_a_relay_asks_nobody(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """When it last heard from the fleet is in its own state; its signer is checked as ever."""
    (dkimctl_inside.root / "etc/dkimctl/fleet.age").unlink()
    make_identity(dkimctl_inside.root / "etc/dkimctl/relay.age")
    config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    config.write_text('[fleet]\ndatabase = "postgresql://127.0.0.1:9/none"\n')
    unsynced = dkimctl_inside("doctor", "--json")
    assert {"DKIM966", "DKIM720"} <= codes(unsynced)
    assert "fleet sync" in unsynced.out and "setup" not in unsynced.out
    (dkimctl_inside.root / "etc/dkimctl/relay.age").unlink()
    lost = dkimctl_inside("doctor", "--json")
    assert lost.code == 1 and codes(lost) == {"DKIM962"}


def test_doctor_without_the_database(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """What cannot be reached is not known; an identity that opens nothing, or another schema, is an error."""
    fleet.database.run(
        "INSERT INTO dkimctl.schema_version (version) SELECT max(version) + 1 FROM dkimctl.schema_version"
    )
    newer = dkimctl_inside("doctor", "--json")
    assert (newer.code, codes(newer)) == (1, {"DKIM962"})
    config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
    config.write_text('[fleet]\ndatabase = "postgresql://127.0.0.1:9/none"\n')
    away = dkimctl_inside("doctor", "--json")
    assert (away.code, codes(away)) == (3, {"DKIM961"})


def test_why_names_the_key_of_each_relay(dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree) -> None:
    """Of a sub-domain it is the one above that signs for it; a relay that lacks the key is named."""
    signed = dkimctl_inside("why", "a@mail.example.com", "--no-dns")
    assert signed.code == 0 and "mx1" in signed.out and "signs with one of example.com, not proven yet" in signed.out
    assert dkimctl_inside("why", "a@example.net", "--no-dns").code == 1
    fleet.relay("mx2")
    partly = dkimctl_inside("why", "a@example.com", "--no-dns", "--json")
    assert partly.code == 3 and "mx2" in partly.json["answer"]["answer"]["reason"]


@pytest.mark.parametrize("words", [("selftest",), ("render-config",), ("render-config", "--install")])
def test_what_is_about_a_signer_is_refused(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, words: tuple[str, ...]
) -> None:
    """There is none, and `genkey` would not help."""
    refused = dkimctl_inside(*words)
    assert refused.code == 1 and "on a relay" in refused.err


def test_a_new_key_is_said_to_be_in_the_database(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """No file is named that does not exist."""
    made = dkimctl_inside("genkey", "example.org", "--algorithm", "ed25519", "--json").json["keys"][0]
    assert made["path"].startswith("fleet database:")


def keys(fleet: RelayFleet) -> list[tuple[str, str, bool]]:
    """Selector, phase, and whether the private key is there."""
    return fleet.database.rows("SELECT selector, phase, held FROM dkimctl.keys ORDER BY selector")


def private_keys(relay: RelayTree) -> set[str]:
    """The names of the private keys on a relay."""
    return {path.stem for path in relay.settings.key_directory.rglob("*.private")}


def test_an_unused_key_is_deleted_everywhere(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree
) -> None:
    """Record and private key go at once, the relay's copy with its next sync; its row stays, so no name comes twice."""
    assert dkimctl_inside("delete", "example.com", "two", "--dry-run").code == 0
    assert keys(fleet)[1] == ("two", "verified", True) and private_keys(relay) == {"one", "two"}
    gone = dkimctl_inside("delete", "example.com", "two")
    assert gone.code == 0 and keys(fleet)[1] == ("two", "purged", False), gone.err
    relay.sync()
    assert private_keys(relay) == {"one"} and relay.rows() == ["one._domainkey.example.com"]
    assert fleet.database.value("SELECT claimed_by IS NULL FROM dkimctl.domain")


def test_a_domain_is_deleted_once_each_relay_has_stopped(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree
) -> None:
    """It is refused while it signs; told to stop, nothing is taken away before the relay confirms it."""
    refused = dkimctl_inside("delete", "example.com")
    assert refused.code == 1 and "--stop-signing" in refused.err
    stopped = dkimctl_inside("delete", "example.com", "--stop-signing", "--under-way")
    assert stopped.code == 0 and "the relays stop with their next sync" in stopped.out, stopped.err
    assert keys(fleet) == [("one", "retiring", True), ("two", "purged", False)]
    assert "once it signs no more" in dkimctl_inside("delete", "example.com", "--under-way").err
    relay.sync()
    assert relay.rows() == [] and private_keys(relay) == {"one"}
    ended = dkimctl_inside("delete", "example.com", "--under-way")
    assert ended.code == 0 and keys(fleet) == [("one", "purged", False), ("two", "purged", False)], ended.err
    relay.sync()
    assert private_keys(relay) == set()
    assert dkimctl_inside("rotate").code == 0
    assert dkimctl_inside("status").code == 2


def test_a_key_that_relays_may_take_by_themselves_counts_as_used(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree
) -> None:
    """Without an active one a relay signs with the key that DNS serves, perhaps just now."""
    fleet.put(fleet_key("sub.example.com", "first", Phase.VERIFIED))
    assert "--stop-signing" in dkimctl_inside("delete", "sub.example.com").err
    dkimctl_inside("delete", "sub.example.com", "--stop-signing", "--under-way")
    assert ("first", "retiring", True) in keys(fleet)
    relay.sync()
    assert dkimctl_inside("delete", "sub.example.com", "--under-way").code == 0
    assert ("first", "purged", False) in keys(fleet)


def test_what_a_worker_has_is_not_deleted(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """It would go on with what it has read, and publish the record again."""
    Worker(fleet.database).claim_named(["example.com"])
    refused = dkimctl_inside("delete", "example.com", "two")
    assert refused.code == 3 and "another run" in refused.err
    assert keys(fleet)[1] == ("two", "verified", True)


def test_setup_ends_where_every_relay_signs(dkimctl_inside: DkimctlInside, fleet: RelayFleet) -> None:
    """Key, record and proof in DNS here; the relays take it from there, and the last step is what they have proven."""
    with Sandbox(zones=["domain.tld"]) as sandbox:
        words = ("setup", "domain.tld", "-s", "s", "--provider", "ovh", "--timeout", "0", "--json")
        first = dkimctl_inside(*words[:-2], "20", "--json", env=sandbox.environment())
        assert first.code == 3, first.err
        steps = {step["name"]: step for step in first.json["steps"]}
        assert set(steps) == {"key", "record", "in DNS", "relays"} and "no relay" in steps["relays"]["proof"]
        relay = fleet.relay("mx1")
        relay.sync()
        assert "s._domainkey.domain.tld" in relay.rows()
        waiting = dkimctl_inside(*words, env=sandbox.environment()).json["steps"]
        assert waiting[-1]["proof"] == "not yet on mx1"
        fleet.database.run("UPDATE dkimctl.key_on_relay SET proven = now() WHERE used")
        done = dkimctl_inside(*words, env=sandbox.environment())
        assert done.code == 0 and done.json["steps"][-1]["state"] == "done", done.err
