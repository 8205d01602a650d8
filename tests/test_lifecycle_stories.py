"""Rotations that failed elsewhere: which can happen to the core of ours, and the test that holds each off.

Not here: what only the executor can show (a lost answer at the provider, hooks, locks, splitting of strings, timers),
and what cannot happen to us: key tables with patterns (domains are rendered one by one), signer caches of other
daemons, keys shipped in a repository or made by a web site, and receivers that fail after a DNAME.
"""

import importlib

import pytest

P, M = "tests.test_lifecycle_plan", "tests.test_lifecycle_model"
STORIES = {
    "a change at the provider failed silently, signing switched anyway": (
        P, "test_a_leaked_key_is_left_at_once_for_one_that_is_proven",
    ),
    "some accounts signed with wrong keys for hours": (P, "test_a_key_whose_probe_fails_is_left_for_one_that_works"),
    "the active record dangled for a third of the domains": (P, "test_a_record_that_vanished_is_put_back"),
    "editing the selector signs at once": (P, "test_a_key_is_seen_twice_five_minutes_apart"),
    "regenerating replaces the key at once": (P, "test_the_old_record_stays_for_the_mail_under_way"),
    "delete first, publish later": (P, "test_nothing_is_taken_away_before_the_key_that_signs_is_proven"),
    "signs what is unpublished": (P, "test_a_confirmed_key_waits_for_caches_that_know_it_as_missing"),
    "the selector changed and the table did not": (M, "test_no_order_of_events_leaves_mail_without_a_record"),
    "the new key silently was the old one": (P, "test_a_standby_is_made_at_once_and_otherwise_when_it_is_needed"),
    "regenerated under the same selector again and again": (
        P, "test_a_slot_is_free_once_no_cache_holds_its_last_record",
    ),
    "the old key retired although the new one is not out": (
        P, "test_nothing_is_taken_away_while_the_key_that_signs_is_not_served",
    ),
    "rolled in place, and the provider could not be written to": (
        P, "test_what_nobody_but_a_person_may_write_waits_for_one",
    ),
    "unsigned while the new key is pending": (P, "test_a_switch_waits_for_the_age_of_the_key"),
    "the old key signs on after the switch": (P, "test_an_open_connection_keeps_the_old_record"),
    "stuck, and nobody can see on what": (P, "test_a_relay_without_the_key_is_waited_for_by_name"),
    "the key was removed first and nothing was made": (
        P, "test_a_domain_without_a_signing_key_is_told_so_and_left_alone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_a_story_has_a_test_that_holds_it_off(story: str) -> None:
    """The test that a story names is there."""
    module, name = STORIES[story]
    assert callable(getattr(importlib.import_module(module), name))
