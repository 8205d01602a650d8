"""What every store of keys does, whichever it is: a key directory, and the database of a fleet."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.errors import DiskError, Refused
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.keys.phases import reach
from dkimctl.keys.store import Key, KeyName, LifecycleStore, current_key, published_keys, signing_key
from tests.stores import KINDS, Stores

NOW = datetime(2026, 11, 23, 10, 4, 2, tzinfo=UTC)
ED25519 = generate(Algorithm.ED25519)
RSA = generate(Algorithm.RSA, 1024)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, stores: Stores) -> LifecycleStore:
    """A store without keys, of each kind."""
    return stores.new(request.param)


def create(store: LifecycleStore, domain: str, selector: str, pair: KeyPair = ED25519, now: datetime = NOW) -> Key:
    """A key in the store."""
    return store.create(domain, selector, pair, b"record\n", new_metadata(pair.algorithm, pair.bits, Tags(), now))


def test_an_existing_key_is_never_made_again(store: LifecycleStore) -> None:
    """Its selector is taken while it is there, and for ever after: no name gets a second key."""
    key = create(store, "example.com", "mail", RSA)
    with pytest.raises(Refused, match="never overwritten"):
        create(store, "example.com", "mail", ED25519)
    assert store.load(key) == RSA
    store.purge(store.advance(key, Phase.PURGED, NOW))
    with pytest.raises(Refused, match="no name gets a second key"):
        create(store, "example.com", "mail", ED25519)
    assert [one.selector for one in store.purged("example.com")] == ["mail"] and store.keys("example.com") == ()


def test_a_published_key_without_its_private_key_is_lost(store: LifecycleStore) -> None:
    """It is no key, and its selector stays taken; one that signs no more needs none, and keeps its public half."""
    key = store.advance(create(store, "example.com", "mail"), Phase.PUBLISHED, NOW)
    old = store.advance(create(store, "example.com", "old"), Phase.RETIRING, NOW)
    assert store.holds(key) and store.lost("example.com") == ()
    for one in (key, old):
        store.purge(one)
        assert not store.holds(one)
    assert store.lost("example.com") == (key,) and store.keys("example.com") == (old,)
    assert store.find(key.name) is None and store.find(old.name) == old
    assert store.public(old) == ED25519.public
    with pytest.raises(DiskError):
        store.load(old)
    with pytest.raises(Refused, match="is gone"):
        create(store, "example.com", "mail")


def test_a_key_is_found_by_its_name(store: LifecycleStore) -> None:
    """One key is found among others; what is none is None."""
    made = create(store, "example.com", "mail", ED25519)
    create(store, "example.com", "mail2", ED25519)
    assert store.find(made.name) == made == current_key(store, made.name)
    for name in (KeyName("example.com", "none"), KeyName("none.example", "mail")):
        assert store.find(name) is None
        with pytest.raises(DiskError, match="does not exist any more"):
            current_key(store, name)


def test_notes_of_a_domain(store: LifecycleStore) -> None:
    """What is noted stays beside what was noted before, and it is said whether it is new."""
    create(store, "a.example", "mail")
    assert store.domain_notes("a.example") == {} == store.domain_notes("none.example")
    assert store.note_domain("a.example", held=True)
    assert not store.note_domain("a.example", held=True)
    assert store.note_domain("a.example", begun="2026-11-01T00:00:00Z")
    assert store.domain_notes("a.example") == {"held": True, "begun": "2026-11-01T00:00:00Z"}
    assert store.life("a.example") == (store.keys("a.example"), (), store.domain_notes("a.example"))
    assert store.life("none.example") == ((), (), {})


def test_what_is_read_at_once_is_what_is_read_one_by_one(store: LifecycleStore) -> None:
    """Long lists read a domain at once."""
    create(store, "example.com", "one", RSA)
    create(store, "example.com", "two", ED25519)
    keys = store.keys("example.com")
    assert store.keys_with_public("example.com", lambda keys: keys) == [(key, store.public(key)) for key in keys]
    assert [key.selector for key, _ in store.keys_with_public("example.com", lambda keys: keys[:1])] == ["one"]
    assert store.keys_with_public("nothing.example", lambda keys: keys) == []
    assert store.names() == ["example.com"]


def test_a_note_that_fails_leaves_the_key_as_it_was(store: LifecycleStore) -> None:
    """A change is made whole or not at all."""

    def fail(_: Metadata) -> Metadata:
        raise ZeroDivisionError

    key = create(store, "example.com", "mail")
    with pytest.raises(ZeroDivisionError):
        store.note(key, fail)
    noted = store.note(key, lambda known: known._replace(facts={"record": {"ttl": 3600}, "leak": "key"}))
    assert store.find(key.name) == noted and noted.metadata.facts["leak"] == "key"


def test_of_many_that_move_a_key_one_wins(store: LifecycleStore) -> None:
    """Threads of one program move the same keys at once: each key is moved once, and no note is lost."""
    keys = [create(store, f"{n}.example", "mail") for n in range(4)]

    def move(number: int) -> bool:
        with suppress(Refused):
            store.advance(keys[number % 4], Phase.PUBLISHED, NOW, str(number))
            return True
        return False

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(move, range(16))) == 4
        list(pool.map(lambda n: store.note_domain("0.example", **{f"n{n}": n}), range(8)))
    assert len(store.domain_notes("0.example")) == 8
    for key in keys:
        assert reach(store, key, Phase.PUBLISHED, NOW, provider="x").phase is Phase.PUBLISHED


def test_metadata_come_back_as_they_were(store: LifecycleStore) -> None:
    """Whatever facts, tags and history a key has."""
    key = create(store, "example.com", "mail")

    @settings(max_examples=15)
    @given(facts=st.dictionaries(WORDS, st.none() | st.integers() | WORDS | st.lists(WORDS), max_size=3), note=WORDS)
    def check(facts: dict[str, object], note: str) -> None:
        noted = store.note(key, lambda known: known._replace(facts=facts, tags=Tags(note=note)))
        assert store.find(key.name) == noted

    check()


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def test_keys_are_listed_oldest_first_and_load(store: LifecycleStore) -> None:
    """The store finds what it was given, and the newest waiting key is the one that signs."""
    create(store, "b.example", "z1", RSA, datetime(2026, 1, 1, tzinfo=UTC))
    create(store, "b.example", "a2", ED25519, datetime(2026, 2, 1, tzinfo=UTC))
    create(store, "a.example", "mail")
    assert list(store.domains()) == ["a.example", "b.example"]
    keys = store.keys("b.example")
    assert [key.selector for key in keys] == ["z1", "a2"]
    assert store.load(keys[0]) == RSA
    assert signing_key(keys) == keys[1]
    assert store.keys("none.example") == ()


def test_active_key_signs_though_a_newer_one_waits(store: LifecycleStore) -> None:
    """A new key never takes over by being there."""
    old = create(store, "example.com", "old", now=datetime(2026, 1, 1, tzinfo=UTC))
    create(store, "example.com", "new")
    store.advance(old, Phase.ACTIVE, NOW)
    signing = signing_key(store.keys("example.com"))
    assert signing is not None
    assert signing.selector == "old"


def test_revoked_key_is_neither_published_nor_signing(store: LifecycleStore) -> None:
    """What is revoked stays so."""
    store.advance(create(store, "example.com", "mail"), Phase.REVOKED, NOW)
    keys = store.keys("example.com")
    assert published_keys(keys) == ()
    assert signing_key(keys) is None


def test_advance_of_a_stale_key_is_refused(store: LifecycleStore) -> None:
    """Two processes cannot both move a key: the second is told that it looks at the past."""
    key = create(store, "example.com", "mail")
    moved = store.advance(key, Phase.PUBLISHED, NOW, "by the first")
    assert moved.phase is Phase.PUBLISHED
    with pytest.raises(Refused, match="meanwhile"):
        store.advance(key, Phase.REVOKED, NOW)
    (found,) = store.keys("example.com")
    assert [change.phase for change in found.metadata.history] == [Phase.GENERATED, Phase.PUBLISHED]


def test_a_slot_gets_its_next_key_beside_the_purged_one(store: LifecycleStore) -> None:
    """The selector is used again, the file has another name, and the key is found by its selector as before."""
    now = datetime(2026, 11, 1, tzinfo=UTC)
    made = []
    for _ in range(2):
        pair = generate(Algorithm.ED25519)
        metadata = new_metadata(pair.algorithm, pair.bits, Tags(), now)
        key = store.create("a.example", "dk1", pair, b"", metadata, in_slot=True)
        made.append(pair.public)
        assert store.find(key.name) == store.keys("a.example")[0] == key
        assert store.public(key) == pair.public
        if len(made) == 1:
            store.purge(store.advance(key, Phase.PURGED, now))
            assert store.keys("a.example") == ()
            assert [key.selector for key in store.purged("a.example")] == ["dk1"]
            with pytest.raises(Refused):
                store.create("a.example", "dk1", pair, b"", metadata)
    assert store.keys("a.example")[0].path.rpartition("/")[2].startswith("dk1-")
    with pytest.raises(Refused):
        store.create("a.example", "dk1", pair, b"", metadata, in_slot=True)
