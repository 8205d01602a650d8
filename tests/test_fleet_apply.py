"""A change set on a relay: checked whole, written, rendered; a kill at any write is finished by the next run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Settings
from dkimctl.errors import Refused
from dkimctl.files import folder as files
from dkimctl.fleet.apply import Applied, apply
from dkimctl.fleet.changes import ChangeSet, FleetKey
from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import Algorithm, generate
from tests.conftest import FULL
from tests.fleet_keys import changes, fleet_key, open_key
from tests.relay_fleet import key_records
from tests.rendering import pair, settings_for, store_for, tree

OTHER = generate(Algorithm.ED25519)
FIRST = changes(fleet_key("example.com", "one"), fleet_key("example.org", "one"))
SECOND = changes(
    fleet_key("example.com", "one", Phase.RETIRING, generation=2),
    fleet_key("example.com", "two", generation=2),
    fleet_key("example.net", "new", Phase.GENERATED, generation=2),
    fleet_key("example.org", "one", Phase.PURGED, generation=2, sealed=False),
    since=1,
    generation=2,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree without a key."""
    (tmp_path / "root").mkdir()
    return settings_for(tmp_path / "root")


def applied(settings: Settings, changed: ChangeSet) -> Applied:
    """Put a change set into effect."""
    return apply(settings, store_for(settings), changed, open_key, clock=SYSTEM_CLOCK)


def rows(settings: Settings) -> list[str]:
    """The key records of the keys in the installed KeyTable."""
    return key_records(settings)


def test_a_relay_signs_with_what_the_fleet_says(settings: Settings) -> None:
    """Keys land in the ordinary key directory, private ones 0600, and the tables follow their phases."""
    assert applied(settings, FIRST).keys == 2
    assert rows(settings) == ["one._domainkey.example.com", "one._domainkey.example.org"]
    private = settings.key_directory / "example.com/one.private"
    assert private.read_bytes() == pair().private_pem and private.stat().st_mode & 0o777 == 0o600
    done = applied(settings, SECOND)
    assert rows(settings) == ["two._domainkey.example.com"]
    assert (done.keys, done.removed) == (4, 1)
    assert not (settings.key_directory / "example.org/one.private").exists()
    assert [key.selector for key in store_for(settings).keys("example.com")] == ["one", "two"]


def test_twice_is_the_same_as_once(settings: Settings) -> None:
    """A change set that is in effect already changes no file."""
    applied(settings, FIRST)
    before = tree(settings.root)
    applied(settings, FIRST)
    assert tree(settings.root) == before


def _with(key: FleetKey, **changed: object) -> FleetKey:
    return key._replace(**changed)  # type: ignore[arg-type]


GOOD = fleet_key("example.com", "one")
BAD: dict[str, tuple[ChangeSet, str]] = {
    "moved to another row": (changes(_with(GOOD, sealed=OTHER.private_pem[::-1])), "not the one that its row names"),
    "not a key": (changes(_with(GOOD, sealed=b"nonsense")), "is not a private key"),
    "missing": (changes(_with(GOOD, sealed=None)), "its private key is missing"),
    "a path for a domain": (changes(_with(GOOD, domain="../../etc")), "its names are not valid"),
    "a line end in a selector": (changes(_with(GOOD, selector="a\nb", stem="a\nb")), "its names are not valid"),
    "another stem": (changes(_with(GOOD, stem="two")), "its names are not valid"),
    "a generation of the future": (changes(_with(GOOD, generation=9)), "is not between 0 and 1"),
    "twice": (changes(GOOD, GOOD), "comes twice"),
    "backwards": (changes(since=3, generation=2), "from generation 3 back to 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_bad_key_and_nothing_is_written(settings: Settings, case: str) -> None:
    """A change set is refused whole, before its first byte: the good keys in it are not written either."""
    changed, message = BAD[case]
    keys = (fleet_key("a.example", "one"), *changed.keys)
    with pytest.raises(Refused, match=r"nothing was changed|back to") as refused:
        applied(settings, ChangeSet(changed.fleet, changed.since, changed.generation, keys))
    assert message in refused.value.message and refused.value.hint
    assert list(settings.root.iterdir()) == []


def test_a_private_key_of_this_relay_is_never_replaced(settings: Settings) -> None:
    """Another key under the same name is named, and left as it is; the same one in another form is no other."""
    private = settings.key_directory / "example.com/one.private"
    private.parent.mkdir(parents=True)
    private.write_bytes(OTHER.private_pem)
    with pytest.raises(Refused, match="another private key at"):
        applied(settings, FIRST)
    assert private.read_bytes() == OTHER.private_pem


def test_many_domains_may_share_a_key(settings: Settings) -> None:
    """One key pair for many domains is what some providers do, and no mistake."""
    many = 10_000 if FULL else 50
    assert applied(settings, changes(*(fleet_key(f"d{n}.example", "one") for n in range(many)))).keys == many


class Killed(BaseException):
    """What stands for kill -9: nothing catches it."""


def _killed_at(number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the process die at its n-th rename or unlink; returns what ends that."""
    count = 0

    def dying(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **more: object) -> object:
            nonlocal count
            count += 1
            if count == number:
                raise Killed
            return real(*arguments, **more)

        monkeypatch.setattr(files.os, name, call)

    dying("rename")
    dying("unlink")
    return monkeypatch.undo


def test_killed_at_any_write_the_next_run_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every write the tables name keys whose files are there, and running again comes to the same end."""
    wanted = settings_for(tmp_path / "whole")
    wanted.root.mkdir()
    applied(wanted, FIRST)
    applied(wanted, SECOND)
    end = {name: content for name, (content, *_) in tree(wanted.key_directory).items() if ".dkimctl" not in name}
    for number in range(1, 40, 1 if "DKIMCTL_TEST_FULL" in os.environ else 4):
        settings = settings_for(tmp_path / f"killed{number}")
        settings.root.mkdir()
        applied(settings, FIRST)
        undo = _killed_at(number, monkeypatch)
        try:
            applied(settings, SECOND)
            return
        except Killed:
            pass
        finally:
            undo()
        for name in rows(settings):
            selector, domain = name.split("._domainkey.")
            assert (settings.key_directory / domain / f"{selector}.private").exists(), number
        applied(settings, SECOND)
        found = {name: content for name, (content, *_) in tree(settings.key_directory).items()}
        assert {name: found[name] for name in end} == end, number
        assert rows(settings) == rows(wanted)
    pytest.fail("the kills never came to an end")
