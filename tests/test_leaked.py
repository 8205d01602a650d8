"""Which keys a leak is about: the same command again is about the same keys, and not about what replaced them."""

from collections.abc import Iterator

import pytest

from dkimctl.config.load import load_settings
from dkimctl.config.settings import Settings
from dkimctl.keys.directory import KeyDirectory
from dkimctl.lifecycle.deletion import needed_until
from dkimctl.lifecycle.facts import Leak
from dkimctl.lifecycle.gather import Machine
from dkimctl.lifecycle.leaked import leaked_keys
from dkimctl.lifecycle.notes import instant, with_leak
from dkimctl.lifecycle.policy import DAY
from tests.conftest import DkimctlInside
from tests.publishing import ZONE
from tests.rotating import Rotating, rotating
from tests.test_lifecycle_plan import NOW, retired, served


@pytest.fixture
def machine(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rotating]:
    """A machine that signs for one domain, with a standby."""
    with rotating(dkimctl_inside, monkeypatch) as made:
        made.prepare()
        yield made


def declared(machine: Rotating, leak: Leak, *, most: int = 9) -> tuple[list[str], list[str]]:
    """Declare a leak as `revoke DOMAIN --leaked` does; the selectors it is about, and those that are newer.

    `most`: of so many keys it is noted, as by a run that is killed then.
    """
    settings = load_settings(None, str(machine.dkimctl.root), {})
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys)
    found = leaked_keys(settings, store, ZONE, None, leak)
    for key in found.keys[:most]:
        store.note(key, lambda known: with_leak(known, leak, instant(machine.clock.now())))
    return [key.selector for key in found.keys], [key.selector for key in found.later]


def test_a_leaked_key_stays_the_one_that_is_meant(machine: Rotating) -> None:
    """The standby that took its place is named, and signs on."""
    standby = machine.new()
    assert declared(machine, Leak.KEY) == (["mail"], [])
    assert declared(machine, Leak.KEY) == (["mail"], [])
    machine.rotate()
    assert machine.signs() == [standby]
    assert declared(machine, Leak.KEY) == (["mail"], [standby])


def test_a_leaked_host_is_about_what_was_on_it(machine: Rotating) -> None:
    """All of it, although the first run was killed before it had noted the second key; not what was made since."""
    machine.later(1)
    both = sorted(machine.selectors())
    found, newer = declared(machine, Leak.HOST, most=1)
    assert (sorted(found), newer) == (both, [])
    machine.later(1)
    found, newer = declared(machine, Leak.HOST)
    assert (sorted(found), newer) == (both, [])
    machine.rotate()
    [new] = set(machine.selectors()) - set(both)
    found, newer = declared(machine, Leak.HOST)
    assert (sorted(found), newer) == (both, [new])


def test_a_revoked_key_can_be_deleted_at_once() -> None:
    """No mail of it verifies any more: nothing is gained by waiting. While it may sign, its file stays."""
    nothing = Machine(frozenset(), frozenset())
    left = retired(NOW - DAY)
    assert needed_until(Settings(), ZONE, nothing, left, NOW) is not None
    assert needed_until(Settings(), ZONE, nothing, left._replace(record=served(gone=NOW)), NOW) is None
    pinned = {"mx": left.relays["mx"]._replace(left=None, tried=NOW - DAY)}
    open_still = left._replace(record=served(gone=NOW), relays=pinned)
    assert needed_until(Settings(), ZONE, nothing, open_still, NOW) is not None
