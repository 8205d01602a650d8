"""A relay renders what changed alone, and the tables are those of a rendering of everything, octet for octet."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import CheckFailed
from dkimctl.fleet import apply as applying
from dkimctl.fleet.apply import apply
from dkimctl.fleet.changes import FleetKey
from dkimctl.fleet.rendered import STATE
from dkimctl.install.attempt import Attempt
from dkimctl.install.proof import Failure
from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import Algorithm, KeyPair, generate
from dkimctl.signers.base import Name
from dkimctl.signers.rendered import Rendering, SigningKey
from tests.fleet_keys import changes, fleet_key, open_key
from tests.rendering import settings_for, store_for

TABLES = ("/etc/opendkim/KeyTable", "/etc/opendkim/SigningTable")
NAMES = ("a.example", "aa.example", "b-b.example", "b.example", "mail.b.example", "zz.example")


class Relay:
    """A relay as a tree, and another one that renders everything each time."""

    def __init__(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trees = (settings_for(place / "part"), settings_for(place / "whole"))
        for settings in self.trees:
            settings.root.mkdir()
        self.generation = 0
        self.parts: list[bool] = []
        """For each rendering of the first one, whether it was one of some domains."""
        self.failing: set[Name] = set()
        """The keys that no message proves."""
        real = applying.attempt

        def attempt(
            rendering: Rendering, settings: Settings, keys: list[SigningKey], find_record: FindRecord, *, clock: Clock
        ) -> Attempt:
            if settings.root.name == "part":
                self.parts.append(rendering.is_part)
            made = real(rendering, settings, keys, find_record, clock=clock)
            wrong = (key for key in keys if (key.domain, key.selector) in self.failing)
            return replace(made, failures=tuple(Failure(key, key.domain, CheckFailed("no signature")) for key in wrong))

        monkeypatch.setattr(applying, "attempt", attempt)

    def change(self, *keys: FleetKey) -> None:
        """Put keys into effect on both."""
        since, self.generation = self.generation, self.generation + 1
        keys = tuple(key._replace(generation=self.generation) for key in keys)
        for settings in self.trees:
            if settings.root.name == "whole":
                settings.at(STATE).unlink(missing_ok=True)
            changed = changes(*keys, since=since, generation=self.generation)
            apply(settings, store_for(settings), changed, open_key, clock=SYSTEM_CLOCK)

    def tables(self) -> tuple[list[bytes], list[bytes]]:
        """The tables of both."""
        first, second = ([settings.at(table).read_bytes() for table in TABLES] for settings in self.trees)
        return first, second


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A relay with three domains."""
    made = Relay(tmp_path, monkeypatch)
    made.change(*(fleet_key(name, "one") for name in NAMES[1:4]))
    assert made.parts == [False]
    made.parts.clear()
    return made


CHANGES: dict[str, tuple[FleetKey, ...]] = {
    "a domain before all others": (fleet_key(NAMES[0], "one"),),
    "a domain after all others": (fleet_key(NAMES[5], "one"),),
    "a domain between, and one changed": (fleet_key(NAMES[4], "one"), fleet_key(NAMES[3], "two")),
    "another selector": (fleet_key(NAMES[2], "one", Phase.RETIRING), fleet_key(NAMES[2], "two")),
    "a key that waits for its proof": (fleet_key(NAMES[2], "two", Phase.GENERATED),),
    "a domain that ends": (fleet_key(NAMES[1], "one", Phase.PURGED, sealed=False),),
    "the last domain ends": (fleet_key(NAMES[3], "one", Phase.REVOKED),),
    "all domains end": tuple(fleet_key(name, "one", Phase.REVOKED) for name in NAMES[1:4]),
    "nothing that a table shows": (fleet_key(NAMES[2], "one", Phase.ACTIVE),),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_part_is_what_the_whole_would_be(relay: Relay, case: str) -> None:
    """Also twice in a row: what a part has installed is a base for the next. Its backups do not stay."""
    backups = relay.trees[0].at("/var/lib/dkimctl/backups")
    before = sorted(backups.iterdir()) if backups.exists() else []
    relay.change(*CHANGES[case])
    first, second = relay.tables()
    assert first == second
    relay.change(fleet_key("new.example", "one"))
    first, second = relay.tables()
    assert first == second and b"new.example" in first[0]
    assert relay.parts == [True, True]
    assert (sorted(backups.iterdir()) if backups.exists() else []) == before


def test_any_order_of_changes_comes_to_the_same(relay: Relay) -> None:
    """Domains come, change their selector and go at random."""
    chosen = random.Random(7)
    for step in range(12):
        names = chosen.sample(NAMES, chosen.randint(1, 4))
        phases = (Phase.ACTIVE, Phase.ACTIVE, Phase.RETIRING, Phase.GENERATED, Phase.REVOKED)
        relay.change(*(fleet_key(name, f"s{step % 3}", chosen.choice(phases)) for name in names))
        first, second = relay.tables()
        assert first == second, step
    assert set(relay.parts) == {True}


def test_a_domain_that_fails_is_held_back_in_its_part(relay: Relay) -> None:
    """It signs as before, also while others change, until it is proven; no pass has to render all domains for it."""
    relay.failing = {(NAMES[2], "two")}
    phases = (("one", Phase.RETIRING), ("two", Phase.ACTIVE))
    relay.change(*(fleet_key(name, *phase) for name in NAMES[1:3] for phase in phases))
    first, second = relay.tables()
    assert first == second
    assert f"{NAMES[2]}:one:".encode() in first[0] and f"{NAMES[1]}:two:".encode() in first[0]
    relay.change(fleet_key("new.example", "one"))
    first, second = relay.tables()
    assert first == second
    assert f"{NAMES[2]}:one:".encode() in first[0] and b"new.example:one:" in first[0]
    relay.failing.clear()
    relay.change(fleet_key("newer.example", "one"))
    first, second = relay.tables()
    assert first == second
    assert f"{NAMES[2]}:two:".encode() in first[0] and f"{NAMES[2]}:one:".encode() not in first[0]
    assert relay.parts == [True] * 5


def test_a_new_domain_that_fails_has_no_rows(relay: Relay) -> None:
    """Until it is proven; so does one of which every key fails while another change comes."""
    relay.failing = {("new.example", "one")}
    relay.change(fleet_key("new.example", "one"))
    relay.change(fleet_key("newer.example", "one"))
    first, second = relay.tables()
    assert first == second
    assert b"new.example:" not in first[0] and b"newer.example:" in first[0]
    assert relay.parts == [True] * 4


def _edit_table(settings: Settings) -> None:
    path = settings.at(TABLES[1])
    path.write_bytes(path.read_bytes() + b"mine.example one._domainkey.aa.example\n")


def _remove_table(settings: Settings) -> None:
    settings.at(TABLES[0]).unlink()


def _damage_table(settings: Settings) -> None:
    path = settings.at(TABLES[0])
    path.write_bytes(path.read_bytes().replace(b"aa.example", b"xx.example"))


def _add_key(settings: Settings) -> None:
    store_for(settings).create(
        "by-hand.example", "one", fleet_pair(), b"", fleet_key("by-hand.example", "one").metadata
    )


def _damage_note(settings: Settings) -> None:
    if settings.at(STATE).exists():
        settings.at(STATE).write_text('{"schema": 1, "made_with": 7, "keys": [], "files": {"/": "x"}}')


def _edit_conf(settings: Settings) -> None:
    path = settings.at("/etc/opendkim.conf")
    path.write_bytes(path.read_bytes() + b"LogWhy no\n")


def fleet_pair() -> KeyPair:
    """Another pair."""
    return generate(Algorithm.RSA, 1024)


@pytest.mark.parametrize("tamper", [_edit_table, _remove_table, _damage_table, _add_key, _damage_note, _edit_conf])
def test_what_others_changed_has_all_rendered(relay: Relay, tamper: Callable[[Settings], None]) -> None:
    """Hand-edited, damaged or missing tables, another configuration, a key put there: the whole is looked at again."""
    for settings in relay.trees:
        tamper(settings)
    relay.change(fleet_key("new.example", "one"))
    first, second = relay.tables()
    assert first == second and b"new.example" in first[0]
    assert relay.parts == [False]


def test_lines_of_a_person_have_all_rendered_each_time(relay: Relay) -> None:
    """What their lines do to the others, no part can tell."""
    for settings in relay.trees:
        _edit_table(settings)
    relay.change(fleet_key("new.example", "one"))
    relay.change(fleet_key("newer.example", "one"))
    first, second = relay.tables()
    assert first == second and b"mine.example" in first[1]
    assert relay.parts == [False, False]


def test_another_algorithm_has_all_rendered(relay: Relay) -> None:
    """One opendkim signs with one algorithm: which, depends on all domains."""
    pair = generate(Algorithm.ED25519)
    relay.change(fleet_key("new.example", "one", key_pair=pair))
    relay.change(fleet_key("newer.example", "one"))
    first, second = relay.tables()
    assert first == second and b"new.example" not in first[0]
    assert relay.parts == [False, False]


def test_other_settings_have_all_rendered(relay: Relay) -> None:
    """Such as whether mail from below a domain is signed."""
    relay.trees = tuple(  # type: ignore[assignment]
        replace(settings, signing=settings.signing._replace(subdomains=False)) for settings in relay.trees
    )
    relay.change(fleet_key("new.example", "one"))
    first, second = relay.tables()
    assert first == second and b"\n.aa.example" not in first[1]
    assert relay.parts == [False]
