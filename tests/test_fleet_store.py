"""What is particular about the store in the fleet's database: seals, sessions, and a server that goes away."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dkimctl.errors import CheckFailed, Refused, Unavailable
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.store import PostgresStore
from dkimctl.keys.metadata import Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.keys.store import Key
from tests.postgres import Server
from tests.stores import Stores

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
PAIR, OTHER = generate(Algorithm.ED25519), generate(Algorithm.ED25519)


@pytest.fixture
def store(stores: Stores) -> PostgresStore:
    """A fleet without keys."""
    made = stores.new("database")
    assert isinstance(made, PostgresStore)
    return made


@pytest.fixture
def database(postgres: Server, fleet_database: str) -> Iterator[Database]:
    """Another session at the same database."""
    with connect(postgres.url(fleet_database)) as opened:
        yield opened


def create(store: PostgresStore, domain: str, selector: str = "mail") -> Key:
    """A key in the store."""
    return store.create(domain, selector, PAIR, b"record\n", new_metadata("ed25519", 256, Tags(), NOW))


def test_no_private_key_is_in_the_database_in_the_clear(store: PostgresStore, database: Database) -> None:
    """Not in any column of any table: a dump of it has none."""
    create(store, "a.example")
    pem = PAIR.private_pem.splitlines()[1]
    [(sealed, whole)] = database.rows("SELECT sealed, key::text FROM dkimctl.key")
    assert pem not in bytes(sealed) and pem.decode() not in whole and pem.hex() not in whole


def test_a_sealed_key_in_another_row_is_refused(store: PostgresStore, database: Database) -> None:
    """Who may write to the database cannot make one domain sign with another's key."""
    key, other = create(store, "a.example"), create(store, "b.example")
    database.run(
        "UPDATE dkimctl.key SET sealed = (SELECT sealed FROM dkimctl.key WHERE domain = 'a.example') "
        "WHERE domain = 'b.example'"
    )
    assert store.load(key) == PAIR
    with pytest.raises(CheckFailed, match=r"mail of b\.example does not open: it was moved here from another row"):
        store.load(other)


def test_what_a_database_cannot_hold_is_refused_in_words(store: PostgresStore) -> None:
    """A NUL, or half a character, in metadata: the key stays as it was."""
    key = create(store, "a.example")
    for odd in ("\0", "\ud800"):
        with pytest.raises(Refused, match="cannot hold"):
            store.note(key, lambda known, odd=odd: known._replace(provider=odd))  # type: ignore[misc]
    with pytest.raises(Refused, match="refuses a value"):
        create(store, "a.example\nb")
    assert store.find(key.name) == key


def test_a_change_waits_for_another_session_and_then_sees_it(store: PostgresStore, database: Database) -> None:
    """Two workers at one key: the second is told that it looks at the past."""
    key = create(store, "a.example")
    database.run("UPDATE dkimctl.key SET phase = 'revoked', metadata = metadata || '{\"phase\": \"revoked\"}'")
    with pytest.raises(Refused, match="meanwhile"):
        store.advance(key, Phase.PUBLISHED, NOW)
    assert database.value("SELECT version FROM dkimctl.key") == 1


def test_damaged_metadata_stop_their_domain_alone(store: PostgresStore, database: Database) -> None:
    """Changed by hand: the error names the row."""
    create(store, "a.example"), create(store, "b.example")
    database.run("UPDATE dkimctl.key SET metadata = '{}' WHERE domain = 'a.example'")
    with pytest.raises(CheckFailed, match=r"row mail of a\.example"):
        store.keys("a.example")
    assert store.keys("b.example") and list(store.domains()) == ["a.example", "b.example"]


def test_a_session_that_is_ended_is_an_error_in_words(store: PostgresStore, database: Database) -> None:
    """An administrator ends it, or the server restarts: nothing is half-done, and nothing is believed."""
    key = create(store, "a.example")
    database.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        "AND datname = current_database()"
    )
    for action in (lambda: store.advance(key, Phase.PUBLISHED, NOW), lambda: store.keys("a.example")):
        with pytest.raises(Unavailable) as lost:
            action()
        assert lost.value.hint
    assert database.value("SELECT phase FROM dkimctl.key") == "generated"
