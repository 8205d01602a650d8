"""The guards of the core of the key life cycle: each promise is one that a core without one of them breaks.

Each test takes `decide`, so that a mutant of the core can be asked the same.
"""

from typing import Any

import pytest

from dkimctl.lifecycle.facts import KeyFacts, KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.plan import Do, plan
from dkimctl.lifecycle.policy import DAY, HOUR, Policy
from tests.lifecycle_model import Decide
from tests.test_lifecycle_plan import (
    LOST,
    NOW,
    OLD,
    POLICY,
    YOUNG,
    domain,
    done,
    on_relay,
    ready,
    retired,
    served,
    signing,
)

USED = KeyOnRelay(True, True, since=NOW - 10 * DAY, proven=NOW - 60)
HELD = KeyOnRelay(is_held=True)


@pytest.fixture(name="decide")
def _decide() -> Decide:
    return plan


def other(**changes: object) -> KeyFacts:
    """A second key that signs."""
    return signing(**({"id": "c", "selector": "dk3"} | changes))  # type: ignore[arg-type]


# --- which key is next


def test_a_key_that_signs_without_a_record_is_left_for_an_older_one_that_is_served(decide: Decide) -> None:
    """Rather an older key whose record is there than one whose record is not, and rather a new one than either."""
    lost, unpublished = signing(record=LOST), ready(record=RecordFacts())
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 60), lost), NOW), "o")
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 60), lost, unpublished), NOW), "o")
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 60), lost, ready()), NOW), "b")
    two = ready(id="c", selector="dk3", record=RecordFacts())
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 60), lost, ready(), two), NOW), "b")
    assert Do.SWITCH in done(decide(POLICY, domain(ready(), retired(NOW - 60), lost), NOW), "b")
    assert Do.SWITCH in done(decide(POLICY, domain(ready(), two, retired(NOW - 60), lost), NOW), "b")
    deleted = retired(NOW - 60, relays={"mx1": HELD._replace(left=NOW - 60), "mx2": KeyOnRelay(left=NOW - 60)})
    leaked = signing(leak=Leak.KEY)
    assert Do.MAKE not in done(decide(POLICY, domain(retired(NOW - 60), leaked), NOW))
    assert Do.MAKE in done(decide(POLICY, domain(deleted, leaked), NOW)), "its private key is not everywhere"
    pinned = on_relay(retired(0), left=None, pinned=("4711",))
    assert Do.SWITCH in done(decide(POLICY, domain(pinned, lost), NOW), "o")


def test_no_emergency_switches_to_a_key_that_is_not_served(decide: Decide) -> None:
    """Neither to the next one nor to an older one: a key is made or published instead."""
    leaked, missing = signing(leak=Leak.KEY), served(missing=NOW)
    assert Do.SWITCH not in done(decide(POLICY, domain(leaked, ready(record=missing)), NOW))
    made = decide(POLICY, domain(retired(NOW - 60, record=missing), leaked), NOW)
    assert Do.SWITCH not in done(made) and Do.MAKE in done(made)
    assert Do.PUBLISH in done(decide(POLICY, domain(leaked, ready(record=RecordFacts())), NOW), "b")


def test_of_new_keys_the_first_confirmed_then_the_newest_is_next(decide: Decide) -> None:
    """What was only seen, or has vanished since, comes after what is confirmed."""

    def wins(one: RecordFacts, two: RecordFacts) -> list[str]:
        keys = ready(record=one), ready(id="c", selector="dk3", created=NOW - HOUR, record=two)
        made = decide(POLICY, domain(signing(OLD), *keys), NOW)
        return [action.key for action in made.actions if action.do in (Do.SWITCH, Do.PUBLISH)]

    assert wins(served(), served(confirmed=NOW - 4 * DAY)) == ["b"]
    assert wins(served(), served(seen=NOW - 9 * DAY, confirmed=None)) == ["b"]
    assert wins(served(seen=NOW - 9 * DAY, confirmed=None), served()) == ["c"]
    assert wins(served(missing=NOW, written=NOW), served(confirmed=NOW - 4 * DAY)) == ["c"]
    assert wins(RecordFacts(), RecordFacts()) == ["c"]
    leaked = domain(signing(leak=Leak.KEY), ready(record=RecordFacts()), ready(id="c", record=RecordFacts()))
    keys = (leaked.keys[0], leaked.keys[1], leaked.keys[2]._replace(created=NOW - HOUR))
    assert Do.PUBLISH in done(decide(POLICY, leaked._replace(keys=keys), NOW), "c")


def test_a_standby_may_be_older_than_the_key_that_signs_but_no_former_key(decide: Decide) -> None:
    """A key that signed before is next only where the switch to it was the last one tried."""
    assert Do.SWITCH in done(decide(POLICY, domain(ready(created=OLD - DAY), signing(OLD)), NOW), "b")
    former = retired(NOW - 20 * DAY, created=NOW - 100 * DAY)
    both = signing(OLD, leak=Leak.KEY), former, other(leak=Leak.KEY)
    assert Do.SWITCH not in done(decide(POLICY, domain(*both), NOW), "o")


def test_two_keys_that_sign_and_do_not_work_are_replaced(decide: Decide) -> None:
    """One leaked key is enough, on hold as well; otherwise the older of the two counts."""
    lost = other(record=LOST)
    assert Do.MAKE not in done(decide(POLICY, domain(signing(record=LOST), lost), NOW))
    assert Do.MAKE in done(decide(POLICY, domain(signing(leak=Leak.KEY), lost), NOW))
    assert Do.MAKE in done(decide(POLICY, domain(signing(OLD, record=LOST), lost), NOW))
    held = domain(signing(leak=Leak.KEY), lost, ready(), is_held=True)
    assert Do.SWITCH in done(decide(POLICY, held, NOW), "b")


def test_without_a_key_that_signs_nothing_is_made_or_taken_away(decide: Decide) -> None:
    """What signed until now may be needed by mail under way, and by a person who puts it back."""
    two = retired(NOW - 20 * DAY), retired(NOW - 19 * DAY, id="n", selector="dk9")
    assert done(decide(Policy(), domain(*two), NOW)) == []
    theirs = retired(NOW - DAY, is_ours=False, record=served(confirmed=None))
    assert done(decide(Policy(), domain(theirs), NOW)) == []


def test_a_domain_that_signs_with_one_algorithm_waits_for_no_key_of_another(decide: Decide) -> None:
    """opendkim signs with one for all of them: a second key is left as it is, and nobody has to act."""
    spare = ready(id="e", selector="ed", algorithm="ed25519")
    assert decide(POLICY, domain(signing(), spare), NOW) == decide(POLICY, domain(signing()), NOW)
    [wait] = decide(POLICY, domain(ready()), NOW).waits
    assert wait.needs_person


# --- proofs


def test_a_missing_record_of_a_key_that_signs_is_looked_up_once(decide: Decide) -> None:
    """However recently it was seen, and not twice in one run."""
    lost = signing(record=served(missing=NOW, seen=None, confirmed=None))
    assert done(decide(POLICY, domain(lost), NOW)) == [Do.LOOK, Do.PUBLISH]


def test_each_relay_is_proven_and_one_that_does_not_sign_asks_for_nothing(decide: Decide) -> None:
    """One unproven relay of two is enough; the instant noted for a relay that has left is no reason to check."""
    half = signing(relays={"mx1": USED, "mx2": USED._replace(proven=None)})
    assert done(decide(POLICY, domain(half), NOW)) == [Do.PROVE]
    left = KeyOnRelay(True, since=NOW - HOUR, left=NOW - 60)
    early = signing(record=served(NOW - 2 * HOUR), relays={"mx1": USED._replace(proven=NOW - 2 * HOUR), "mx2": left})
    assert done(decide(POLICY, domain(early), NOW)) == []


def test_one_relay_whose_probe_fails_is_enough_to_go_back_and_an_unproven_one_is_not(decide: Decide) -> None:
    """What fails was seen to fail; what was never tried is tried."""
    failing = USED._replace(since=None, proven=None, failed=NOW - 60)
    old = retired(0, relays={"mx1": HELD._replace(left=NOW - 60), "mx2": HELD._replace(left=NOW - 60)})
    some = signing(relays={"mx1": USED, "mx2": failing})
    assert Do.SWITCH in done(decide(POLICY, domain(old, some), NOW), "o")
    unproven = on_relay(signing(), since=None, proven=None)
    assert done(decide(POLICY, domain(retired(NOW - 60), unproven), NOW)) == [Do.PROVE]


def test_on_hold_the_second_look_at_a_published_key_is_made(decide: Decide) -> None:
    """Looks change nothing."""
    seen = ready(record=RecordFacts(NOW - HOUR, NOW - HOUR, None, NOW - HOUR))
    assert done(decide(POLICY, domain(signing(), seen, is_held=True), NOW), "b") == [Do.LOOK]
    by_hand = ready(record=RecordFacts(None, NOW - 60, None, NOW - 60))
    made = decide(POLICY, domain(signing(), by_hand, may_write=False), NOW)
    assert [wait.needs_person for wait in made.waits] == [False], "it was seen: nobody is asked for it"


def test_a_record_that_vanished_after_its_confirmation_is_written_again(decide: Decide) -> None:
    """A confirmation counts for as long as the record is there."""
    lost = ready(record=served(written=NOW - HOUR, missing=NOW))
    assert Do.PUBLISH in done(decide(POLICY, domain(signing(), lost), NOW), "b")


# --- the switch


def test_a_switch_that_reached_some_relays_waits_for_nothing(decide: Decide) -> None:
    """Neither for age nor for a second look: a message would be signed with both keys meanwhile."""
    old = signing(relays={"mx1": HELD._replace(left=NOW - 9), "mx2": USED})
    unconfirmed = served(seen=NOW - 600, confirmed=None)
    new = ready(record=unconfirmed, relays={"mx1": USED._replace(since=NOW - 9), "mx2": HELD})
    assert done(decide(POLICY, domain(old, new), NOW), "b") == [Do.SWITCH]


def test_the_last_try_on_any_relay_counts(decide: Decide) -> None:
    """The hour until the next try begins with the last one, and the wait says when it ends."""
    relays = {"mx1": HELD._replace(tried=NOW - 2 * HOUR, left=NOW - 9), "mx2": HELD._replace(tried=NOW - 9, left=NOW)}
    made = decide(POLICY, domain(signing(OLD), ready(relays=relays)), NOW)
    assert Do.SWITCH not in done(made)
    assert [wait.until for wait in made.waits] == [NOW - 9 + HOUR]


def test_the_first_relay_that_signed_with_a_key_begins_its_age(decide: Decide) -> None:
    """A relay that joined later does not make a key young."""
    relays = {"mx1": USED._replace(since=NOW - 181 * DAY), "mx2": USED}
    key, new = signing(NOW - 190 * DAY, relays=relays), ready(relays={"mx1": HELD, "mx2": HELD})
    assert Do.SWITCH in done(decide(POLICY, domain(key, new), NOW), "b")
    relays = {"mx1": USED._replace(since=NOW - 30 * DAY), "mx2": USED}
    overdue = signing(NOW - 400 * DAY, relays=relays)
    assert Do.SWITCH in done(decide(POLICY._replace(overdue_spread=30 * DAY), domain(overdue, new), NOW), "b")


# --- what is taken away


def test_an_old_key_stays_while_the_key_that_signs_is_leaked(decide: Decide) -> None:
    """While something is broken nothing is taken away."""
    assert done(decide(POLICY, domain(retired(NOW - 20 * DAY), signing(leak=Leak.KEY)), NOW), "o") == []


def test_a_leaked_key_without_a_free_slot_is_no_reason_to_keep_what_fills_the_slots(decide: Decide) -> None:
    """Else the leaked key would sign for ever: the old key goes on to its end once its mail is through, no earlier."""
    leaked = signing(leak=Leak.KEY)
    facts = domain(retired(NOW - 14 * DAY), leaked, free_selector=False)
    assert done(decide(POLICY, facts, NOW), "o") == [Do.REVOKE]
    assert Do.REVOKE not in done(decide(POLICY, facts, NOW - 1), "o")
    lost = domain(retired(NOW - 14 * DAY), signing(record=LOST), free_selector=False)
    assert Do.REVOKE not in done(decide(POLICY, lost, NOW), "o")
    unproven = on_relay(leaked, proven=None)
    assert done(decide(POLICY, domain(retired(NOW - 14 * DAY), unproven, free_selector=False), NOW), "o") == []


def test_a_record_that_a_person_emptied_is_not_emptied_again(decide: Decide) -> None:
    """It goes after its thirty days; what a person deleted needs nothing more."""
    emptied = retired(NOW - 60 * DAY, record=RecordFacts(gone=NOW - 40 * DAY))
    assert done(decide(POLICY, domain(emptied, signing()), NOW), "o") == [Do.REMOVE]
    deleted = retired(NOW - 60 * DAY, record=RecordFacts(gone=NOW - 40 * DAY, absent=NOW - 40 * DAY))
    assert done(decide(POLICY, domain(deleted, signing()), NOW), "o") == []
    noted = deleted._replace(record=deleted.record._replace(revoked=NOW - 41 * DAY))
    assert done(decide(POLICY, domain(noted, signing(), may_write=False), NOW), "o") == []


def test_a_private_key_goes_after_the_absence_was_seen_and_not_after_the_removal(decide: Decide) -> None:
    """Nor is the slot free: one TTL counts from what the name servers said, no matter who removed the record."""
    removed = RecordFacts(revoked=NOW - 99 * DAY, gone=NOW - 98 * DAY, removed=NOW - DAY, ttl=3600)
    assert done(decide(POLICY, domain(retired(NOW - 100 * DAY, record=removed), signing()), NOW), "o") == [Do.LOOK]
    fresh = retired(NOW - 100 * DAY, record=removed._replace(absent=NOW - 9), in_slot=True)
    assert done(decide(POLICY, domain(fresh, signing()), NOW), "o") == []
    by_hand = removed._replace(revoked=None, removed=None, absent=NOW - HOUR)
    assert done(decide(POLICY, domain(retired(NOW, record=by_hand, in_slot=True), signing()), NOW), "o") == [Do.PURGE]


def test_a_revoked_key_that_never_signed_is_removed(decide: Decide) -> None:
    """A standby that someone emptied goes like any other."""
    emptied = ready(record=RecordFacts(revoked=NOW - 40 * DAY, gone=NOW - 31 * DAY))
    assert done(decide(POLICY, domain(signing(), emptied), NOW), "b") == [Do.REMOVE]


def test_a_revoked_key_that_never_signed_is_purged(decide: Decide) -> None:
    """As long after the end of its record as another one after its last signature; it is told when."""
    gone = RecordFacts(revoked=NOW - 91 * DAY, gone=NOW - 90 * DAY, removed=NOW - 50 * DAY, absent=NOW - 50 * DAY)
    assert done(decide(POLICY, domain(signing(), ready(record=gone)), NOW), "b") == [Do.PURGE]
    early = decide(POLICY, domain(signing(), ready(record=gone._replace(gone=NOW - 90 * DAY + 5))), NOW)
    assert Do.PURGE not in done(early)
    assert early.due == NOW + 5


def test_a_key_that_was_never_looked_up_is_looked_up_before_a_switch(decide: Decide) -> None:
    """Not known is not missing: no haste, and the next key is prepared as ever; what is known to be wrong counts."""
    unseen = signing(OLD, record=RecordFacts())
    assert done(decide(POLICY, domain(signing(record=RecordFacts())), NOW)) == [Do.LOOK]
    assert done(decide(POLICY, domain(unseen, ready()), NOW, begin=True)) == [Do.LOOK]
    assert Do.PUBLISH in done(decide(POLICY, domain(unseen, ready(record=RecordFacts())), NOW), "b")
    assert Do.MAKE in done(decide(POLICY, domain(retired(NOW - 60), unseen), NOW, begin=True))
    assert Do.SWITCH not in done(decide(POLICY, domain(retired(NOW - 60), unseen), NOW))
    assert done(decide(POLICY, domain(unseen, other()), NOW)) == [Do.LOOK]
    assert Do.SWITCH in done(decide(POLICY, domain(unseen._replace(leak=Leak.KEY), ready()), NOW), "b")
    assert Do.SWITCH in done(decide(POLICY, domain(unseen, other(leak=Leak.KEY), ready()), NOW), "b")
    failing = on_relay(unseen, since=None, proven=None, failed=NOW - 60)
    assert Do.SWITCH in done(decide(POLICY, domain(failing, ready()), NOW), "b")
    revoked = other(record=RecordFacts(revoked=NOW))
    assert Do.SWITCH in done(decide(POLICY, domain(unseen, revoked, ready()), NOW), "b")
    assert Do.SWITCH in done(decide(POLICY, domain(unseen, other(record=LOST), ready()), NOW), "b")


def test_the_reason_of_a_revocation_is_told(decide: Decide) -> None:
    """A person reads why a record was emptied."""
    for leak, why in ((Leak.KEY, "leaked"), (Leak.NONE, "mail")):
        made = decide(POLICY, domain(retired(NOW - 20 * DAY, leak=leak), signing()), NOW)
        assert why in made.actions[0].why


# --- facts that were never noted


def test_a_fact_that_is_missing_delays_and_stops_no_plan(decide: Decide) -> None:
    """Any one instant may be unknown, in any phase of a key: there is a plan, and no switch without a look."""
    gone = RecordFacts(revoked=NOW - 99 * DAY, gone=NOW - 98 * DAY, removed=NOW - 97 * DAY, absent=NOW - 96 * DAY)
    for key in (ready(), ready(record=gone), ready(is_purged=True), retired(NOW - 20 * DAY), retired(NOW, record=gone)):
        for name in RecordFacts._field_defaults:
            if RecordFacts._field_defaults[name] is None:
                unknown = key._replace(record=key.record._replace(**{name: None}))  # type: ignore[arg-type]
                made = decide(POLICY, domain(signing(OLD), unknown), NOW)
                assert key.record.last_seen is None or name != "last_seen" or Do.SWITCH not in done(made)
    assert done(decide(POLICY, domain(signing(record=served(last_seen=None))), NOW)) == [Do.LOOK]


# --- a private key deleted by hand


def lost(created: int = YOUNG, **changes: Any) -> KeyFacts:
    """A key that is to sign, and whose private key was deleted."""
    return on_relay(signing(created), is_held=False, is_lost=True)._replace(**changes)


def test_a_proven_standby_takes_the_place_of_a_key_that_was_deleted(decide: Decide) -> None:
    """At once, whatever the hours and the margins; nothing is looked up or proven of a key that cannot sign."""
    made = decide(POLICY._replace(window=((0, 1),)), domain(lost(record=served(NOW - 2 * DAY)), ready()), NOW)
    assert done(made) == [Do.SWITCH]
    stale = ready(record=served(NOW - DAY))
    assert done(decide(POLICY, domain(lost(), stale), NOW)) == [Do.LOOK], "never without the proof"
    unseen = lost(record=RecordFacts())
    assert done(decide(POLICY, domain(unseen, ready()), NOW)) == [Do.SWITCH]


def test_without_a_standby_a_key_is_made_for_one_that_was_deleted(decide: Decide) -> None:
    """Also where none is wanted, and right after a long gap."""
    assert done(decide(POLICY, domain(lost()), NOW)) == [Do.MAKE]
    assert done(decide(POLICY, domain(lost(), returned=NOW - 60), NOW)) == [Do.MAKE]


def test_where_nothing_happens_by_itself_a_deleted_key_waits_for_a_person(decide: Decide) -> None:
    """On hold there is no switch, unless someone asks for it."""
    facts = domain(lost(), ready(), is_held=True)
    assert done(decide(POLICY, facts, NOW)) == []
    assert done(decide(POLICY, facts, NOW, begin=True)) == [Do.SWITCH]


def test_a_deleted_key_whose_record_vanished_is_not_published_again(decide: Decide) -> None:
    """It signs nothing; once another key does, its record is kept for the mail that is under way."""
    gone = lost(record=LOST)
    assert Do.PUBLISH not in done(decide(POLICY, domain(gone, ready()), NOW), "a")


def test_nothing_is_taken_away_while_the_key_that_signs_is_deleted(decide: Decide) -> None:
    """Unless every slot is taken: what frees one goes on."""
    facts = domain(retired(NOW - 20 * DAY), lost())
    assert Do.REVOKE not in done(decide(POLICY, facts, NOW))
    assert Do.REVOKE in done(decide(POLICY, facts._replace(free_selector=False), NOW))


def test_an_older_key_that_is_held_is_better_than_a_deleted_one(decide: Decide) -> None:
    """Its record is kept for its mail, and it can sign; one without its private key cannot."""
    assert done(decide(POLICY, domain(retired(NOW - DAY), lost()), NOW)) == [Do.SWITCH]
    away = on_relay(retired(NOW - DAY), is_held=False)
    assert Do.SWITCH not in done(decide(POLICY, domain(away, lost()), NOW))


def test_a_newer_key_that_has_signed_is_the_next_one_only_where_it_is_held(decide: Decide) -> None:
    """It was deleted, and another key signs: it is not switched to, and another one is made."""
    newer = ready(created=NOW - DAY, relays={"mx": KeyOnRelay(left=NOW - HOUR, is_lost=True)})
    assert done(decide(POLICY, domain(signing(OLD), newer), NOW), "") == [Do.MAKE]
    back = on_relay(newer, is_held=True, is_lost=False)
    assert Do.MAKE not in done(decide(POLICY, domain(signing(OLD), back), NOW))
    on_one = back._replace(relays={**back.relays, "mx2": KeyOnRelay(left=NOW - HOUR)})
    assert Do.MAKE not in done(decide(POLICY, domain(signing(OLD), on_one), NOW)), "the other one gets it"
