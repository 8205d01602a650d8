"""A relay follows its fleet's database: what it fetches, refuses, and confirms."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.errors import Refused, Unavailable, UsageError
from dkimctl.fleet.importing import import_keys
from dkimctl.fleet.membership import approve, drain, remove
from dkimctl.fleet.store import PostgresStore
from dkimctl.keys.metadata import Phase, Tags, new_metadata
from tests.fleet_keys import NOW, fleet_key
from tests.postgres import Server
from tests.relay_fleet import RelayFleet, RelayTree
from tests.rendering import pair, settings_for, store_for

ONE = fleet_key("example.com", "one")


@pytest.fixture
def fleet(tmp_path: Path, postgres: Server, fleet_database: str) -> Iterator[RelayFleet]:
    """A fleet with one key, and no relay."""
    made = RelayFleet(tmp_path, postgres, fleet_database)
    with made.database:
        made.put(ONE)
        yield made


def test_the_first_pass_installs_what_needs_no_key(tmp_path: Path, postgres: Server, fleet_database: str) -> None:
    """So that the timer's service, which may not write opendkim.conf, only has tables and keys to write later."""
    fleet = RelayFleet(tmp_path, postgres, fleet_database)
    with fleet.database:
        relay = fleet.relay("mx1")
        assert relay.sync().applied is None
        conf = relay.settings.at("/etc/opendkim.conf")
        before = conf.read_text()
        assert "SigningTable" in before and relay.rows() == []
        assert relay.sync().applied is None
        fleet.put(ONE)
        relay.sync()
        assert relay.rows() == ["one._domainkey.example.com"] and conf.read_text() == before


def test_two_relays_follow_a_rotation(fleet: RelayFleet) -> None:
    """Each gets what changed since its own generation, and signs with what the fleet says."""
    first, second = fleet.relay("mx1"), fleet.relay("mx2")
    assert first.sync().generation == 1
    fleet.put(fleet_key("example.com", "one", Phase.RETIRING), fleet_key("example.com", "two"))
    for relay in (first, second):
        relay.sync()
        assert relay.rows() == ["two._domainkey.example.com"]
        assert relay.sync().applied is None
    fleet.put(fleet_key("example.com", "one", Phase.PURGED, sealed=False))
    done = first.sync()
    assert done.applied is not None and (done.applied.keys, done.applied.removed) == (1, 1)
    assert not (first.settings.key_directory / "example.com/one.private").exists()


def test_a_sealed_key_moved_to_another_row_is_refused_whole(fleet: RelayFleet) -> None:
    """One who can write the database can't make a domain sign with another one's key; nothing of the set is written."""
    relay = fleet.relay("mx1")
    fleet.put(fleet_key("example.org", "one"))
    fleet.database.run(
        "UPDATE dkimctl.key SET sealed = (SELECT sealed FROM dkimctl.key WHERE domain = 'example.com')"
        " WHERE domain = 'example.org'"
    )
    with pytest.raises(Refused, match="moved here from another row"):
        relay.sync()
    assert not relay.settings.key_directory.exists()
    assert fleet.database.value("SELECT problem FROM dkimctl.relay").startswith("nothing was changed")


def test_many_domains_with_the_same_key(fleet: RelayFleet) -> None:
    """Each has a row and a file of its own: what ends for one goes on for the others."""
    relay, names = fleet.relay("mx1"), [f"d{number}.example" for number in range(300)]
    shared = pair()
    fleet.put(*(fleet_key(name, "one", key_pair=shared) for name in names))
    relay.sync()
    assert len(relay.rows()) == len(names) + 1
    fleet.put(fleet_key(names[0], "one", Phase.PURGED, key_pair=shared, sealed=False))
    relay.sync()
    assert len(relay.rows()) == len(names)
    there = {path.parent.name for path in relay.settings.key_directory.glob("d*.example/one.private")}
    assert there == set(names[1:])


def test_a_relay_waits_for_its_approval(fleet: RelayFleet) -> None:
    """Until the fingerprint was compared a relay gets nothing from the database; joining again is harmless."""
    relay = fleet.relay("mx1", approved=False)
    fingerprint = relay.join()
    with pytest.raises(Unavailable, match=f"waits for its approval: {fingerprint}"):
        relay.sync()
    with pytest.raises(Refused, match="compare the fingerprint") as refused:
        approve(fleet.database, fleet.vault, "mx1", None)
    assert refused.value.hint.endswith(f"dkimctl fleet approve mx1 --fingerprint {fingerprint}")
    with pytest.raises(Refused, match="not babab"):
        approve(fleet.database, fleet.vault, "mx1", "babab-babab-babab-babab-babab")
    assert approve(fleet.database, fleet.vault, "mx1", fingerprint.upper()).is_change
    assert not approve(fleet.database, fleet.vault, "mx1", None).is_change
    assert relay.sync().generation == 1


def test_a_name_and_an_identity_belong_to_one_relay(fleet: RelayFleet) -> None:
    """Another host can take neither the name nor a copy of the identity."""
    first = fleet.relay("mx1")
    other = RelayTree("mx1", fleet.relay("mx2").settings, fleet.role())
    with pytest.raises(Refused, match="another relay has the name mx1, or the identity"):
        other.join()
    copy = RelayTree("mx3", first.settings, fleet.role())
    with pytest.raises(Refused, match="or the identity of this host"):
        copy.join()
    with pytest.raises(Refused, match="has joined as mx1"):
        RelayTree("mx9", first.settings, first.url).join()
    with pytest.raises(UsageError, match="has not joined"):
        RelayTree("mx9", settings_for(fleet.directory), fleet.role()).sync()


def test_a_removed_relay_gets_nothing_more_and_never_had_the_new_key(fleet: RelayFleet) -> None:
    """The fleet key is turned over: every private key is sealed again, and for the others that is no news."""
    gone, stays = fleet.relay("mx1"), fleet.relay("mx2")
    stays.sync()
    before = fleet.vault
    done = remove(fleet.database, before, "mx1", compromised=False, now=NOW)
    assert (done.is_change, done.sealed_anew, done.leaked) == (True, 1, 0)
    with pytest.raises(Refused, match="was removed from the fleet"):
        gone.sync()
    assert stays.sync().applied is None
    fleet.put(fleet_key("example.org", "one"))
    assert stays.sync().generation == 2
    assert fleet.vault.secrets.keys() == {2} and before.secrets.keys() == {1}
    assert not remove(fleet.database, fleet.vault, "mx1", compromised=False, now=NOW).is_change
    for again in (gone.join, lambda: approve(fleet.database, fleet.vault, "mx1", None)):
        with pytest.raises(Refused, match="removed"):
            again()


def test_who_opened_the_fleet_key_before_it_was_turned_over_seals_nothing_with_it(fleet: RelayFleet) -> None:
    """A rotation may run for hours: what it would seal then no relay could open, and every relay would stop there."""
    for name in ("mx1", "mx2", "mx3"):
        fleet.relay(name, approved=name != "mx2")
    before = fleet.vault
    remove(fleet.database, before, "mx1", compromised=False, now=NOW)
    store, made = PostgresStore(fleet.database, before), pair()
    files = store_for(settings_for(fleet.directory / "old"))
    files.create("example.org", "one", made, b"", new_metadata("rsa", 2048, Tags(), NOW))
    sealed, number = fleet.database.rows("SELECT sealed, fleet_key FROM dkimctl.key")[0]
    fingerprint = fleet.database.value("SELECT fingerprint FROM dkimctl.relay WHERE name = 'mx2'")
    for attempt in (
        lambda: store.create("example.org", "one", made, b"", new_metadata("rsa", 2048, Tags(), NOW)),
        lambda: import_keys(files, fleet.database, before),
        lambda: approve(fleet.database, before, "mx2", fingerprint),
        lambda: remove(fleet.database, before, "mx3", compromised=False, now=NOW),
        lambda: before.unseal(number, bytes(sealed), domain="example.com", selector="one", identity=ONE.identity),
    ):
        with pytest.raises(Unavailable, match="turned over meanwhile"):
            attempt()
    assert fleet.database.rows("SELECT DISTINCT fleet_key FROM dkimctl.key") == [(2,)]
    assert import_keys(files, fleet.database, fleet.vault).new == 1


def test_a_compromised_relay_makes_every_key_that_it_had_leaked(fleet: RelayFleet) -> None:
    """Each key is marked as `revoke --leaked host` marks it, and each domain is due; what was made later is not."""
    fleet.relay("mx1").sync()
    assert remove(fleet.database, fleet.vault, "mx1", compromised=True, now=NOW).leaked == 1
    assert fleet.database.rows("SELECT metadata #>> '{facts,leak}' FROM dkimctl.key") == [("host",)]
    assert fleet.database.value("SELECT notes ->> 'begun' FROM dkimctl.domain") == "2026-11-23T10:00:00Z"
    fleet.put(fleet_key("example.net", "later"))
    fleet.database.run("""UPDATE dkimctl.key SET metadata = metadata || '{"created": "2999-01-01T00:00:00Z"}'
                          WHERE selector = 'later'""")
    assert remove(fleet.database, fleet.vault, "mx1", compromised=True, now=NOW).leaked == 0


def problem(fleet: RelayFleet) -> str:
    """What `fleet status` says of the relay."""
    return str(fleet.database.value("SELECT problem FROM dkimctl.relay"))


def test_a_database_that_went_back_is_not_believed(fleet: RelayFleet) -> None:
    """After an older backup was restored a relay keeps signing with what it has, until someone says otherwise."""
    relay = fleet.relay("mx1")
    fleet.put(fleet_key("example.org", "one"))
    relay.sync()
    fleet.database.run("ALTER TABLE dkimctl.fleet DISABLE TRIGGER USER; ALTER TABLE dkimctl.relay DISABLE TRIGGER USER")
    fleet.database.run("DELETE FROM dkimctl.key_on_relay; DELETE FROM dkimctl.key WHERE domain = 'example.org'")
    fleet.database.run("UPDATE dkimctl.fleet SET generation = 1; UPDATE dkimctl.relay SET generation = 0")
    rows = relay.rows()
    with pytest.raises(Refused, match="went back to generation 1, and this relay has 2") as refused:
        relay.sync()
    assert "dkimctl fleet sync --accept-older" in refused.value.hint and relay.rows() == rows
    assert problem(fleet) == refused.value.message
    assert relay.sync(accept_older=True).generation == 1
    assert relay.sync().generation == 1


def test_another_fleet_is_not_believed(fleet: RelayFleet) -> None:
    """A configuration that names the wrong database changes nothing."""
    relay = fleet.relay("mx1")
    relay.sync()
    fleet.database.run("UPDATE dkimctl.fleet SET id = gen_random_uuid()")
    with pytest.raises(Refused, match="database of another fleet"):
        relay.sync()


def test_two_hosts_with_one_identity_are_noticed(fleet: RelayFleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copied machine does not sync as the one it was copied from; once that is silent, it is a move."""
    relay = fleet.relay("mx1")
    relay.sync()
    monkeypatch.setattr("dkimctl.fleet.sync.this_host", lambda: "copy")
    with pytest.raises(Refused, match=r"two hosts have the identity of the relay mx1: .* and copy"):
        relay.sync()
    assert problem(fleet).startswith("two hosts have the identity")
    fleet.database.run("UPDATE dkimctl.relay SET heartbeat = now() - interval '11 minutes'")
    assert relay.sync().generation == 1


def test_a_wrong_clock_is_named(fleet: RelayFleet) -> None:
    """Signatures have the time of the relay: one that is far from the database's is a warning, and no more."""
    relay = fleet.relay("mx1")
    cautions = relay.sync(ahead=300).cautions
    assert any("300 seconds ahead of the database's" in caution.message for caution in cautions)
    assert not any("clock" in caution.message for caution in relay.sync().cautions)


@pytest.mark.parametrize("damage", ["missing", "wrong"])
def test_without_the_fleet_key_nothing_is_touched(fleet: RelayFleet, damage: str) -> None:
    """A fleet key that is missing or another one is refused before anything is fetched."""
    relay = fleet.relay("mx1")
    relay.sync()
    fleet.put(fleet_key("example.org", "one"))
    if damage == "missing":
        fleet.database.run("DELETE FROM dkimctl.fleet_key_wrap WHERE relay = 'mx1'")
    else:
        fleet.database.run("UPDATE dkimctl.fleet_key_wrap SET wrapped = wrapped || 'x' WHERE relay = 'mx1'")
    with pytest.raises(Refused, match="wrapped for"):
        relay.sync()
    assert relay.rows() == ["one._domainkey.example.com"]


def test_a_drained_relay_is_taken_into_service_again(fleet: RelayFleet) -> None:
    """`drain` says that nothing waits for a relay; `approve` ends that."""
    fleet.relay("mx1")
    assert drain(fleet.database, "mx1").is_change and not drain(fleet.database, "mx1").is_change
    assert approve(fleet.database, fleet.vault, "mx1", None).is_change
    with pytest.raises(UsageError, match="no relay is called mx9"):
        drain(fleet.database, "mx9")
