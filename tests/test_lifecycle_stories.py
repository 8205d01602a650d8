"""Rotations that failed elsewhere, replayed with the core alone; and every story has its test."""

import importlib

import pytest

from dkimctl.lifecycle.facts import KeyOnRelay
from dkimctl.lifecycle.plan import Do, plan
from dkimctl.lifecycle.policy import DAY
from tests.lifecycle_stories import STORIES, Story
from tests.test_lifecycle_plan import LOST, NOW, OLD, POLICY, domain, done, on_relay, ready, retired, served, signing

TAKES = {Do.REVOKE, Do.REMOVE, Do.PURGE}


def test_every_story_has_a_test_or_a_reason() -> None:
    """Forty of them, none left out; a reason is given where there is no test, and only there."""
    assert list(STORIES) == list(range(1, 41))
    assert [n for n, story in STORIES.items() if bool(story.test) == bool(story.cannot)] == []


@pytest.mark.parametrize("story", [story for story in STORIES.values() if story.test], ids=lambda story: story.broke)
def test_the_test_of_a_story_is_there(story: Story) -> None:
    """Under the name that the table gives."""
    module, _, name = story.test.partition(".")
    assert callable(getattr(importlib.import_module(f"tests.{module}"), name))


def test_keys_were_copied_to_the_second_node_and_settings_were_not() -> None:
    """A relay that holds the key and does not use it keeps the old record, and is switched before anything else."""
    used, held = KeyOnRelay(True, True, since=NOW - DAY, proven=NOW - DAY), KeyOnRelay(is_held=True)
    old = signing(OLD, relays={"mx1": KeyOnRelay(True, left=NOW - 90 * DAY), "mx2": used})
    new = ready(relays={"mx1": used, "mx2": held})
    made = plan(POLICY, domain(old, new), NOW)
    assert Do.SWITCH in done(made, new.id)
    assert not TAKES & set(done(made))


def test_mail_went_unsigned_because_the_record_was_gone_or_the_next_key_pending() -> None:
    """The key whose record is gone signs on until another one is everywhere; meanwhile nothing is taken away."""
    gone = signing(OLD, record=LOST)
    pending = ready(record=served()._replace(seen=None, confirmed=None, last_seen=None))
    made = plan(POLICY, domain(retired(NOW - 60 * DAY), gone, pending, may_write=False), NOW)
    assert not {Do.SWITCH, *TAKES} & set(done(made, gone.id) + done(made, pending.id))
    assert any(wait.needs_person and gone.selector in wait.on for wait in made.waits)


def test_the_old_key_signed_on_after_the_switch() -> None:
    """While a connection opened before the switch is open, the old record and private key stay, however long."""
    old = on_relay(retired(0), left=None, pinned=("fd 7",))
    made = plan(POLICY, domain(old, signing()), NOW + 300 * DAY)
    assert not TAKES & set(done(made, old.id))
    assert any(old.selector in wait.on for wait in made.waits)


def test_the_key_was_removed_first_and_nothing_was_generated() -> None:
    """The old key goes after a proven one has taken over; while none signs, nothing is taken away."""
    assert Do.REVOKE in done(plan(POLICY, domain(retired(NOW - 60 * DAY), signing()), NOW))
    made = plan(POLICY, domain(retired(NOW - 60 * DAY)), NOW)
    assert done(made) == []
    assert [wait.needs_person for wait in made.waits] == [True]
