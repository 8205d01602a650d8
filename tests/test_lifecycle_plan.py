"""The core of the key life cycle in real time: what the explored model abstracts away, one promise a test.

Each test takes `decide`, so that a mutant of the core can be asked the same.
"""

from typing import Any

import pytest

from dkimctl.lifecycle.facts import HERE, Facts, KeyFacts, KeyOnRelay, Leak, RecordFacts
from dkimctl.lifecycle.plan import Action, Do, Plan, plan
from dkimctl.lifecycle.policy import DAY, HOUR, Policy, in_window, jitter, window_opens
from tests.lifecycle_model import Decide

NOW = 1_800_000_000  # a Friday, 08:00 UTC
POLICY = Policy(standby=False)
YOUNG, OLD = NOW - 10 * DAY, NOW - 181 * DAY


@pytest.fixture(name="decide")
def _decide() -> Decide:
    return plan


def served(at: int = NOW - 60, **changes: Any) -> RecordFacts:
    """The record of a key that has long been at every address."""
    early = min(at, NOW - 5 * DAY)
    return RecordFacts(early, early, early, at, ttl=3600, negative_ttl=300)._replace(**changes)


def signing(created: int = YOUNG, **changes: Any) -> KeyFacts:
    """A key that signs, proven long ago; its age counts from `created`."""
    used = KeyOnRelay(True, True, since=created, proven=NOW - 60)
    return KeyFacts("a", "dk1", "rsa", created, record=served(), relays={"mx": used})._replace(**changes)


def ready(**changes: Any) -> KeyFacts:
    """A key that was confirmed long ago and never signed."""
    held = {"mx": KeyOnRelay(is_held=True)}
    return KeyFacts("b", "dk2", "rsa", NOW - DAY, record=served(), relays=held)._replace(**changes)


def retired(left: int, **changes: Any) -> KeyFacts:
    """A key that stopped signing."""
    relays = {"mx": KeyOnRelay(is_held=True, left=left)}
    return KeyFacts("o", "dk0", "rsa", NOW - 300 * DAY, record=served(), relays=relays)._replace(**changes)


def domain(*keys: KeyFacts, **changes: Any) -> Facts:
    """The facts of a domain with these keys."""
    return Facts("example.com", keys)._replace(**changes)


def done(made: Plan, key: str | None = None) -> list[Do]:
    """What a plan does, or does with one key."""
    return [action.do for action in made.actions if key is None or action.key == key]


def on_relay(key: KeyFacts, **changes: Any) -> KeyFacts:
    """The key with these facts changed on every relay."""
    return key._replace(relays={name: relay._replace(**changes) for name, relay in key.relays.items()})


# --- when


def test_a_young_proven_key_needs_nothing_until_it_is_looked_at(decide: Decide) -> None:
    """Nothing is due for a domain in order; it is looked at again a day after it was seen."""
    made = decide(POLICY, domain(signing()), NOW)
    assert made.actions == ()
    assert made.due == NOW - 60 + DAY


def test_a_key_is_looked_up_a_day_after_it_was_seen_last(decide: Decide) -> None:
    """The record of a key that signs is looked up daily, whatever else is planned."""
    key = signing(record=served(NOW - DAY))
    assert done(decide(POLICY, domain(key), NOW)) == [Do.LOOK]
    assert done(decide(POLICY, domain(key), NOW - 1)) == []


@pytest.mark.parametrize("after", [HOUR, DAY])
def test_after_a_switch_dns_and_a_signature_are_proven_again(decide: Decide, after: int) -> None:
    """An hour and a day after a switch both proofs are due, not before; once made they are not due again."""
    start = NOW - after
    last = start if after == HOUR else start + HOUR
    key = on_relay(signing(record=served(last)), since=start, proven=last)
    assert Do.PROVE in done(decide(POLICY, domain(key), NOW)) and Do.LOOK in done(decide(POLICY, domain(key), NOW))
    early = decide(POLICY, domain(key), NOW - 1)
    assert done(early) == []
    assert early.due == NOW
    assert done(decide(POLICY, domain(on_relay(key, proven=NOW)._replace(record=served(NOW))), NOW)) == []


def test_a_switch_waits_for_the_age_of_the_key(decide: Decide) -> None:
    """One second before the age is reached nothing switches."""
    made = decide(POLICY, domain(signing(NOW - 180 * DAY + 1), ready()), NOW)
    assert Do.SWITCH not in done(made)
    assert made.due == NOW + 1
    assert Do.SWITCH in done(decide(POLICY, domain(signing(NOW - 180 * DAY), ready()), NOW), "b")


def test_the_time_as_a_standby_does_not_make_a_key_old(decide: Decide) -> None:
    """A standby that waited half a year signs half a year, not a day; however late, at most as long again."""
    waited = on_relay(signing(NOW - 190 * DAY), since=NOW - 10 * DAY)
    assert Do.SWITCH not in done(decide(POLICY, domain(waited, ready()), NOW))
    ancient = on_relay(signing(NOW - 360 * DAY), since=NOW - 10 * DAY)
    assert Do.SWITCH in done(decide(POLICY, domain(ancient, ready()), NOW))


def test_keys_that_were_too_old_at_the_first_run_are_spread(decide: Decide) -> None:
    """After an upgrade not every domain is due at once: each waits its own part of 90 days, counted from that run."""
    policy = POLICY._replace(overdue_spread=30 * DAY)
    for is_ours in (True, False):
        overdue = on_relay(signing(NOW - 400 * DAY, is_ours=is_ours), since=NOW - DAY)
        assert Do.SWITCH not in done(decide(policy, domain(overdue, ready()), NOW))
        assert Do.SWITCH in done(decide(policy, domain(on_relay(overdue, since=NOW - 30 * DAY), ready()), NOW))
    regular = on_relay(signing(NOW - 181 * DAY), since=NOW - 181 * DAY)
    assert Do.SWITCH in done(decide(policy, domain(regular, ready()), NOW)), "others wait for nothing"


def test_a_key_made_elsewhere_is_as_old_as_its_material(decide: Decide) -> None:
    """The day on which a key was taken over does not make it young."""
    adopted = on_relay(signing(OLD, is_ours=False), since=NOW - DAY)
    assert Do.SWITCH in done(decide(POLICY, domain(adopted, ready()), NOW))


@pytest.mark.parametrize("changes", [{}, {"is_held": True}, {"may_write": False}, {"free_selector": False}])
def test_a_key_that_signs_a_month_too_long_is_told_of(decide: Decide, changes: dict[str, bool]) -> None:
    """Whatever keeps it, a person is told from then on, and not a second earlier."""
    key = signing(NOW - 210 * DAY)
    for policy in (POLICY, POLICY._replace(automation="off")):
        told = [wait.on for wait in decide(policy, domain(key, **changes), NOW).waits if wait.needs_person]
        assert f"{key.selector} still signs and is overdue: dkimctl rotate --now example.com" in told
        before = decide(policy, domain(key, **changes), NOW - 1)
        assert not any("overdue" in wait.on for wait in before.waits)
        assert before.due == NOW


def test_an_old_key_that_no_run_has_looked_at_is_not_told_of(decide: Decide) -> None:
    """After an upgrade the first run spreads what is overdue: until then nobody has to act. What is wrong is told."""
    key = signing(NOW - 400 * DAY, record=served(last_seen=None))
    assert not [wait for wait in decide(POLICY, domain(key), NOW).waits if wait.needs_person]
    lost = key._replace(record=key.record._replace(missing=NOW))
    assert [wait for wait in decide(POLICY, domain(lost), NOW).waits if "overdue" in wait.on]


def test_a_standby_is_made_at_once_and_otherwise_when_it_is_needed(decide: Decide) -> None:
    """With `standby` the next key is there always; without, a day and the margins before the switch."""
    assert done(decide(Policy(), domain(signing()), NOW)) == [Do.MAKE]
    lead = DAY + 5 * 60 + HOUR
    assert done(decide(POLICY, domain(signing(NOW - 180 * DAY + lead)), NOW)) == [Do.MAKE]
    assert done(decide(POLICY, domain(signing(NOW - 180 * DAY + lead + 1)), NOW)) == []


def test_a_key_is_seen_twice_five_minutes_apart(decide: Decide) -> None:
    """The second look is due five minutes after the first."""
    fresh = ready(record=RecordFacts(NOW - 300, NOW - 300, None, NOW - 300))
    assert done(decide(Policy(), domain(signing(), fresh), NOW), "b") == [Do.LOOK]
    assert done(decide(Policy(), domain(signing(), fresh), NOW - 1), "b") == []


@pytest.mark.parametrize(("negative", "wait"), [(300, HOUR), (DAY, DAY)])
def test_a_confirmed_key_waits_for_caches_that_know_it_as_missing(decide: Decide, negative: int, wait: int) -> None:
    """The margin is an hour, or the negative TTL of the zone where that is longer."""
    record = RecordFacts(NOW - wait - 600, NOW - wait - 300, NOW - wait, NOW, negative_ttl=negative)
    assert done(decide(POLICY, domain(signing(OLD), ready(record=record)), NOW), "b") == [Do.SWITCH]
    late = decide(POLICY, domain(signing(OLD), ready(record=record._replace(confirmed=NOW - wait + 1))), NOW)
    assert done(late, "b") == []
    assert late.due == NOW + 1


def test_a_key_is_looked_up_right_before_it_signs(decide: Decide) -> None:
    """A proof older than ten minutes does not do for a switch."""
    key = ready(record=served(NOW - 601))
    assert done(decide(POLICY, domain(signing(OLD), key), NOW), "b") == [Do.LOOK]
    assert done(decide(POLICY, domain(signing(OLD), ready(record=served(NOW - 600))), NOW), "b") == [Do.SWITCH]


def test_a_failed_switch_is_tried_again_after_an_hour(decide: Decide) -> None:
    """Until then the old key signs."""
    key = on_relay(ready(), tried=NOW - HOUR + 1, left=NOW - HOUR + 2)
    made = decide(POLICY, domain(signing(OLD), key), NOW)
    assert Do.SWITCH not in done(made)
    assert made.due == NOW + 1
    assert Do.SWITCH in done(decide(POLICY, domain(signing(OLD), on_relay(key, tried=NOW - HOUR)), NOW))


def test_what_a_tried_switch_waits_for(decide: Decide) -> None:
    """This host's own has failed; a fleet's relays may not know of theirs yet, until one says that it failed."""
    tried = KeyOnRelay(is_held=True, tried=NOW - 9, left=NOW - 8)
    failed = tried._replace(failed=NOW - 8)
    for relays, said in (
        ({HERE: tried}, "was not seen to work"),
        ({"mx1": tried, "mx2": tried}, "have not confirmed it"),
        ({"mx1": tried, "mx2": failed}, "was not seen to work"),
    ):
        made = decide(POLICY, domain(signing(OLD), ready(relays=relays)), NOW)
        assert [said in wait.on for wait in made.waits if wait.do is Do.SWITCH] == [True]


def test_a_failed_switch_that_a_person_asks_for_waits_for_nothing(decide: Decide) -> None:
    """Who has fixed the signer need not wait for the hour."""
    key = on_relay(ready(), tried=NOW - 9, left=NOW - 8)
    assert Do.SWITCH in done(decide(POLICY, domain(signing(OLD), key), NOW, begin=True))


def test_a_standby_made_in_the_same_second_stays_after_a_failed_switch(decide: Decide) -> None:
    """Of two keys made in one second the one that was only tried is the next, and the one that signed is not."""
    second = on_relay(ready(created=OLD), tried=OLD + DAY, left=OLD + DAY)
    assert done(decide(POLICY, domain(signing(OLD), second), NOW), "b") == [Do.SWITCH]
    assert done(decide(POLICY, domain(signing(OLD), second._replace(created=OLD - 1)), NOW), "b") == [Do.REVOKE]
    former = KeyOnRelay(is_held=True, left=OLD + DAY)
    for relays in ({"mx": former}, {"mx": former, "mx2": second.relays["mx"]}):
        both = domain(signing(OLD), second._replace(relays=relays))
        assert done(decide(POLICY, both, NOW), "b") == [Do.REVOKE]


def test_a_switch_waits_for_its_hours(decide: Decide) -> None:
    """Hours of the week are kept by a rotation, and no leak waits for them."""
    at = (NOW + 3 * DAY) % (7 * DAY)
    shut = POLICY._replace(window=((at + HOUR, at + 2 * HOUR),))
    made = decide(shut, domain(signing(OLD), ready()), NOW)
    assert done(made, "b") == []
    assert made.due == NOW + HOUR
    assert done(decide(shut, domain(signing(OLD), ready()), NOW + HOUR - 1), "b") == []
    assert Do.SWITCH in done(decide(shut, domain(signing(OLD, leak=Leak.KEY), ready()), NOW), "b")
    assert in_window(shut, NOW + HOUR) and not in_window(shut, NOW + 2 * HOUR)
    assert window_opens(shut, NOW + 2 * HOUR) == NOW + 7 * DAY + HOUR


# --- who may


def test_hold_stops_changes_and_no_proof(decide: Decide) -> None:
    """On hold nothing is made, switched or taken away; what signs is still looked at."""
    keys = (retired(NOW - 20 * DAY), signing(OLD, record=served(NOW - DAY)), ready())
    assert set(done(decide(POLICY, domain(*keys, is_held=True), NOW))) == {Do.LOOK}
    assert done(decide(POLICY, domain(signing(OLD), is_held=True), NOW)) == []


@pytest.mark.parametrize("changes", [{"is_held": True}, {}])
def test_a_leak_does_not_wait_for_hold_or_automation(decide: Decide, changes: dict[str, bool]) -> None:
    """`hold` and `automation = off` do not keep a leaked key signing."""
    policy = POLICY if changes else POLICY._replace(automation="off")
    made = decide(policy, domain(signing(leak=Leak.KEY), ready(), **changes), NOW)
    assert Do.SWITCH in done(made, "b")


def test_automation_off_only_looks(decide: Decide) -> None:
    """With `off` nothing is done but looks, until a person begins."""
    off = POLICY._replace(automation="off")
    keys = (retired(NOW - 20 * DAY), signing(OLD), ready())
    assert done(decide(off, domain(*keys), NOW)) == []
    assert Do.SWITCH in done(decide(off, domain(*keys), NOW, begin=True), "b")


def test_until_switch_leaves_the_switch_to_a_person(decide: Decide) -> None:
    """The key is made ready, and what waits says which command goes on."""
    policy = POLICY._replace(automation="until-switch")
    made = decide(policy, domain(signing(OLD), ready()), NOW)
    assert done(made, "b") == []
    assert any(wait.needs_person and "rotate --now example.com" in wait.on for wait in made.waits)
    assert [(wait.do, wait.key) for wait in made.waits] == [(Do.SWITCH, "b")]
    assert Do.SWITCH in done(decide(policy, domain(signing(OLD), ready()), NOW, begin=True), "b")
    assert Do.MAKE in done(decide(policy, domain(signing(OLD)), NOW))


def test_a_relay_without_the_key_is_waited_for_by_name(decide: Decide) -> None:
    """No relay signs with a key before every relay holds it."""
    key = ready(relays={"mx1": KeyOnRelay(is_held=True), "mx2": KeyOnRelay()})
    made = decide(POLICY, domain(signing(OLD), key), NOW)
    assert Do.SWITCH not in done(made)
    assert any("mx2" in wait.on and "mx1" not in wait.on for wait in made.waits)


def test_a_relay_that_is_away_is_not_waited_for_by_a_new_key(decide: Decide) -> None:
    """It gets the key when it is back; but one that was heard from must hold it, and none of those may lack it."""
    held, away = KeyOnRelay(is_held=True), KeyOnRelay(is_away=True)

    def made(**relays: KeyOnRelay) -> Plan:
        return decide(POLICY, domain(signing(OLD), ready(relays=relays)), NOW)

    assert Do.SWITCH in done(made(mx1=held, mx2=away), "b")
    assert Do.SWITCH in done(made(mx1=held, mx2=held._replace(is_away=True)), "b")
    for relays in (
        {"mx1": away},
        {"mx1": held._replace(is_away=True)},
        {"mx1": held, "mx2": KeyOnRelay(), "mx3": away},
    ):
        assert Do.SWITCH not in done(made(**relays))
    alone = made(mx1=held._replace(is_away=True))
    assert [(wait.on, wait.needs_person) for wait in alone.waits] == [
        ("no relay that holds dk2 was heard from lately", True)
    ]
    assert [wait.on for wait in made(mx1=held, mx2=KeyOnRelay(), mx3=away).waits] == ["mx2 must hold dk2"]


def test_a_relay_that_is_away_is_asked_for_no_proof(decide: Decide) -> None:
    """Nobody can prove what nobody reaches; a relay that was heard from has to."""
    used = KeyOnRelay(True, True, tried=NOW - 60)
    assert done(decide(POLICY, domain(signing(relays={"mx": used})), NOW)) == [Do.PROVE]
    assert done(decide(POLICY, domain(signing(relays={"mx": used._replace(is_away=True)})), NOW)) == []


def test_what_only_relays_that_are_away_can_end_is_waited_for_as_such(decide: Decide) -> None:
    """Once the others sign with the new key and those away were told of it; else the switch goes on."""
    does = KeyOnRelay(True, True, since=NOW - DAY, proven=NOW - 60)
    told, used = KeyOnRelay(is_held=True, tried=NOW - DAY, is_away=True), KeyOnRelay(True, True, is_away=True)
    left = KeyOnRelay(True, left=NOW - DAY)

    def made(*late: str, **relays: KeyOnRelay) -> Plan:
        old = signing(OLD, relays={"mx1": left} | dict.fromkeys(late, used))
        return decide(POLICY, domain(old, ready(relays=relays)), NOW)

    def waits(found: Plan) -> list[tuple[str, bool]]:
        return [(wait.on, wait.is_for_away) for wait in found.waits if wait.do is Do.SWITCH]

    alone = made("mx2", mx1=does, mx2=told)
    assert waits(alone) == [("mx2 (away) to sign with dk2", True)] and Do.SWITCH not in done(alone, "b")
    for found in (
        made("mx2", mx1=does, mx2=told._replace(tried=None)),
        made("mx2", mx1=does),
        made("mx2", mx1=does, mx2=told._replace(is_used=True)),
        made("mx2", mx1=does, mx2=told, mx3=told._replace(is_away=False)),
        made("mx2", "mx3", mx1=does, mx2=told, mx3=told._replace(tried=None)),
    ):
        assert Do.SWITCH in done(found, "b")
    nobody = made("mx2", mx2=told)
    assert waits(nobody) == [("no relay that holds dk2 was heard from lately", False)]
    for others, away in (((), True), (("mx3",), False)):
        old = retired(NOW, relays={"mx2": told} | dict.fromkeys(others, told._replace(is_away=False)))
        found = decide(POLICY, domain(old, signing(relays={"mx1": does})), NOW)
        assert [wait.is_for_away for wait in found.waits if wait.do is Do.REVOKE] == [away]


# --- what is taken away, and when


def test_a_relay_that_is_away_keeps_the_old_record_and_is_named(decide: Decide) -> None:
    """It may still sign with it; only for a leaked key nobody waits for it, but for one that was heard from."""
    gone = KeyOnRelay(True, left=NOW - 90 * DAY)
    away = KeyOnRelay(True, tried=OLD, is_away=True)
    new = signing(relays={"mx1": KeyOnRelay(True, True, since=YOUNG, proven=NOW - 60)})

    def made(key: KeyFacts) -> Plan:
        return decide(POLICY, domain(key, new), NOW)

    old = retired(NOW, relays={"mx1": gone, "mx2": away})
    waits = "connections that may still sign with dk0"
    assert done(made(old), "o") == [] and f"{waits}, on mx2 (away)" in [wait.on for wait in made(old).waits]
    for relays in ({"mx1": gone, "mx2": away}, {"mx1": gone, "mx2": away._replace(is_used=True)}, {"mx2": away}):
        assert Do.REVOKE in done(made(old._replace(leak=Leak.HOST, relays=relays)), "o")
    live = old._replace(leak=Leak.HOST, relays={"mx1": gone, "mx2": away._replace(is_away=False)})
    assert done(made(live), "o") == [] and f"{waits}, on mx2" in [wait.on for wait in made(live).waits]
    here = old._replace(relays={HERE: KeyOnRelay(pinned=("open",))})
    assert waits in [wait.on for wait in made(here).waits]


def test_the_old_record_stays_for_the_mail_under_way(decide: Decide) -> None:
    """Fourteen days after the last signature the record is emptied, and not a second earlier."""
    facts = domain(retired(NOW - 14 * DAY), signing())
    assert done(decide(POLICY, facts, NOW), "o") == [Do.REVOKE]
    early = decide(POLICY, facts, NOW - 1)
    assert done(early, "o") == []
    assert early.due == NOW


def test_mail_in_the_queue_keeps_the_record_but_not_for_ever(decide: Decide) -> None:
    """A message older than the switch keeps the old record two days longer, at most as long again in all."""
    facts = domain(retired(NOW - 14 * DAY), signing(), oldest_queued=NOW - 15 * DAY)
    made = decide(POLICY, facts, NOW)
    assert done(made, "o") == []
    assert any("under way" in wait.on for wait in made.waits)
    assert done(decide(POLICY, facts._replace(oldest_queued=NOW - 13 * DAY), NOW), "o") == [Do.REVOKE]
    assert done(decide(POLICY, domain(retired(NOW - 28 * DAY), signing(), oldest_queued=1), NOW), "o") == [Do.REVOKE]


def test_mail_that_keeps_a_record_is_named(decide: Decide) -> None:
    """Only where it is what is waited for; the first fortnight passes without it."""
    facts = domain(retired(NOW - 14 * DAY), signing(), oldest_queued=1, queued_as="4ABC on hold in the queue")
    assert [wait.on for wait in decide(POLICY, facts, NOW).waits] == [
        "mail signed with the key dk0 that is under way, such as 4ABC on hold in the queue"
    ]
    soon = facts._replace(keys=(retired(NOW - DAY), signing()))
    assert [wait.on for wait in decide(POLICY, soon, NOW).waits] == ["mail signed with the key dk0 that is under way"]


def test_after_a_long_gap_nothing_is_taken_away_for_a_day(decide: Decide) -> None:
    """It says until when; what only waits for its time as ever does not. A leaked key goes all the same."""
    facts = domain(retired(NOW - 20 * DAY), signing(), returned=NOW - 60)
    made = decide(POLICY, facts, NOW)
    assert done(made, "o") == []
    assert [(wait.do, wait.until) for wait in made.waits] == [(Do.REVOKE, NOW - 60 + DAY)]
    assert done(decide(POLICY, facts, NOW - 60 + DAY), "o") == [Do.REVOKE]
    leaked = domain(retired(NOW - 20 * DAY, leak=Leak.KEY), signing(), returned=NOW - 60)
    assert done(decide(POLICY, leaked, NOW), "o") == [Do.REVOKE]
    emptied = RecordFacts(revoked=NOW - 40 * DAY, gone=NOW - 40 * DAY)
    later = domain(retired(NOW - 91 * DAY, record=emptied), signing(), returned=NOW - 60)
    assert done(decide(POLICY, later, NOW), "o") == []
    removed = RecordFacts(gone=NOW - 40 * DAY, removed=NOW - 9 * DAY, absent=NOW - 9 * DAY)
    last = domain(retired(NOW - 91 * DAY, record=removed), signing(), returned=NOW - 60)
    assert done(decide(POLICY, last, NOW), "o") == []
    assert [wait.do for facts in (later, last) for wait in decide(POLICY, facts, NOW).waits] == [Do.REMOVE, Do.PURGE]


def test_after_a_long_gap_what_is_there_is_proven_again(decide: Decide) -> None:
    """DNS of the key that signs and of the next one, and a signature: once each, however young the last proof is."""
    key, spare = signing(record=served(NOW - 70)), ready(record=served(NOW - 70))
    facts = domain(on_relay(key, proven=NOW - 70), spare, returned=NOW - 60)
    made = decide(POLICY, facts, NOW)
    assert (done(made, "a"), done(made, "b")) == ([Do.LOOK, Do.PROVE], [Do.LOOK])
    never = ready(record=served(last_seen=None))
    assert done(decide(POLICY, domain(signing(record=served(NOW)), never, returned=NOW - 60), NOW), "b") == [Do.LOOK]
    seen = domain(signing(record=served(NOW - 60)), ready(record=served(NOW - 60)), returned=NOW - 60)
    assert done(decide(POLICY, seen, NOW)) == []


@pytest.mark.parametrize(("spare", "do"), [((), Do.MAKE), ((RecordFacts(),), Do.PUBLISH), ((served(),), Do.SWITCH)])
def test_after_a_long_gap_a_rotation_goes_on_an_hour_later(
    decide: Decide, spare: tuple[RecordFacts, ...], do: Do
) -> None:
    """As long as a key waits that was just proven, or for the negative TTL: what was noted before may be wrong.

    A person who asks waits for nothing, nor does a domain whose mail cannot be verified as it is.
    """
    keys = [ready(record=record._replace(negative_ttl=2 * HOUR if record.seen else 0)) for record in spare]
    margin = 2 * HOUR if do is Do.SWITCH else HOUR
    facts = domain(signing(OLD), *keys, returned=NOW - 60)
    made = decide(POLICY, facts, NOW)
    assert do not in done(made)
    assert [(wait.do, wait.until) for wait in made.waits] == [(do, NOW - 60 + margin)]
    later = NOW - 60 + margin
    fresh = tuple(key._replace(record=key.record._replace(last_seen=later)) if key.record.seen else key for key in keys)
    assert do in done(decide(POLICY, domain(signing(OLD), *fresh, returned=NOW - 60), later))
    assert do in done(decide(POLICY, facts, NOW, begin=True))
    leaked = facts._replace(keys=(signing(OLD, leak=Leak.KEY), *keys))
    assert do in done(decide(POLICY, leaked, NOW))
    lost = facts._replace(keys=(signing(OLD, record=LOST), *keys))
    assert do in done(decide(POLICY, lost, NOW))
    unseen = facts._replace(keys=(signing(OLD, record=RecordFacts()), *keys))
    assert do not in done(decide(POLICY, unseen, NOW))


def test_after_a_long_gap_the_record_of_the_key_that_signs_is_put_back(decide: Decide) -> None:
    """That is no progress, but what is there kept right; the next key's record waits."""
    lost = signing(record=LOST)
    assert Do.PUBLISH in done(decide(POLICY, domain(lost, returned=NOW), NOW), "a")


@pytest.mark.parametrize("broken", [{"missing": NOW}, {"seen": None, "confirmed": None}])
def test_nothing_is_taken_away_while_the_key_that_signs_is_not_served(decide: Decide, broken: dict[str, Any]) -> None:
    """The old key may still be needed (the rule of every step)."""
    key = signing()
    facts = domain(retired(NOW - 20 * DAY), key._replace(record=key.record._replace(**broken)))
    assert not {Do.REVOKE, Do.REMOVE, Do.PURGE} & set(done(decide(POLICY, facts, NOW), "o"))


def test_nothing_is_taken_away_before_the_key_that_signs_is_proven(decide: Decide) -> None:
    """A relay that was never proven to sign with the new key may still sign with the old one."""
    facts = domain(retired(NOW - 20 * DAY), on_relay(signing(), proven=None))
    assert done(decide(POLICY, facts, NOW), "o") == []
    assert Do.PROVE in done(decide(POLICY, facts, NOW), "a")
    leaked = domain(retired(NOW - 20 * DAY, leak=Leak.KEY), on_relay(signing(), proven=None))
    assert done(decide(POLICY, leaked, NOW), "o") == [Do.REVOKE], "others may sign with it meanwhile"


def test_an_open_connection_keeps_the_old_record(decide: Decide) -> None:
    """opendkim keeps signing with the old key for as long as a connection is open."""
    old = on_relay(retired(0), left=None, pinned=("4711",))
    made = decide(POLICY, domain(old, signing()), NOW)
    assert done(made, "o") == []
    assert any("connections" in wait.on for wait in made.waits)


def test_an_empty_record_stays_thirty_days_and_a_private_key_ninety(decide: Decide) -> None:
    """After `p=` was seen everywhere the removal waits 30 d; the private key goes 90 d after its last signature."""
    gone = RecordFacts(revoked=NOW - 31 * DAY, gone=NOW - 30 * DAY)
    old = retired(NOW - 45 * DAY, record=gone)
    assert done(decide(POLICY, domain(old, signing()), NOW), "o") == [Do.REMOVE]
    early = decide(POLICY, domain(old, signing()), NOW - 1)
    assert done(early, "o") == []
    assert early.due == NOW
    away = gone._replace(removed=NOW - 2 * DAY, absent=NOW - DAY)
    assert done(decide(POLICY, domain(retired(NOW - 90 * DAY, record=away), signing()), NOW), "o") == [Do.PURGE]
    assert done(decide(POLICY, domain(retired(NOW - 90 * DAY + 1, record=away), signing()), NOW), "o") == []


def test_a_removed_record_is_looked_up_until_every_address_agrees(decide: Decide) -> None:
    """The end of a record is seen, never assumed."""
    revoked = retired(NOW - 20 * DAY, record=RecordFacts(revoked=NOW - DAY))
    assert done(decide(POLICY, domain(revoked, signing()), NOW), "o") == [Do.LOOK]
    removed = RecordFacts(revoked=NOW - 40 * DAY, gone=NOW - 39 * DAY, removed=NOW - DAY)
    assert done(decide(POLICY, domain(retired(NOW - 60 * DAY, record=removed), signing()), NOW), "o") == [Do.LOOK]


def test_a_slot_is_free_once_no_cache_holds_its_last_record(decide: Decide) -> None:
    """The private key of a slot goes, and so frees it, one TTL after the absence was seen."""
    away = RecordFacts(revoked=NOW - 40 * DAY, gone=NOW - 39 * DAY, removed=NOW - DAY, absent=NOW - HOUR, ttl=3600)
    old = retired(NOW - 60 * DAY, record=away, in_slot=True)
    assert done(decide(POLICY, domain(old, signing()), NOW), "o") == [Do.PURGE]
    assert done(decide(POLICY, domain(old, signing()), NOW - 1), "o") == []


def test_a_domain_whose_slots_are_all_taken_says_so(decide: Decide) -> None:
    """No key is made without a free selector; the wait says until when."""
    made = decide(Policy(), domain(signing(), free_selector=False, slot_free_at=NOW + 9 * DAY), NOW)
    assert done(made) == []
    assert any("slot" in wait.on and wait.until == NOW + 9 * DAY for wait in made.waits)


def test_the_record_of_a_key_made_elsewhere_is_never_taken_away(decide: Decide) -> None:
    """Nor its private key, however long ago it signed, leaked or not."""
    for leak in Leak:
        facts = domain(retired(NOW - 300 * DAY, is_ours=False, leak=leak), signing())
        assert done(decide(POLICY, facts, NOW), "o") == []


def test_what_nobody_but_a_person_may_write_waits_for_one(decide: Decide) -> None:
    """With a manual provider nothing is written; each wait names the record."""
    facts = domain(retired(NOW - 20 * DAY), signing(OLD), ready(record=RecordFacts()), may_write=False)
    made = decide(POLICY, facts, NOW)
    assert not {Do.PUBLISH, Do.REVOKE, Do.REMOVE} & set(done(made))
    assert {Do.LOOK} == set(done(made))
    assert [wait.needs_person for wait in made.waits] == [True, True]


# --- emergencies


def test_a_record_that_vanished_is_put_back(decide: Decide) -> None:
    """The record of a key that signs, or whose mail is under way, is written again an hour after it was written."""
    lost = served(missing=NOW, seen=None, confirmed=None)
    assert Do.PUBLISH in done(decide(POLICY, domain(signing(record=lost)), NOW), "a")
    assert done(decide(POLICY, domain(retired(NOW - DAY, record=lost), signing()), NOW), "o") == [Do.LOOK, Do.PUBLISH]
    recent = lost._replace(written=NOW - HOUR + 1)
    assert Do.PUBLISH not in done(decide(POLICY, domain(signing(record=recent)), NOW))
    theirs = decide(POLICY, domain(signing(record=lost, is_ours=False)), NOW)
    assert Do.PUBLISH not in done(theirs) and any(wait.needs_person for wait in theirs.waits)


def test_a_leaked_key_is_left_at_once_for_one_that_is_proven(decide: Decide) -> None:
    """The margin is skipped, the proof is not."""
    new = ready(record=RecordFacts(NOW - 60, NOW - 30, None, NOW - 30))
    assert Do.SWITCH in done(decide(POLICY, domain(signing(leak=Leak.KEY), new), NOW), "b")
    unseen = ready(record=RecordFacts(NOW - 60))
    assert Do.SWITCH not in done(decide(POLICY, domain(signing(leak=Leak.KEY), unseen), NOW))


def test_a_leaked_key_that_left_is_revoked_and_purged_without_waiting(decide: Decide) -> None:
    """Neither the mail under way nor ninety days hold it."""
    assert done(decide(POLICY, domain(retired(NOW, leak=Leak.KEY), signing()), NOW), "o") == [Do.REVOKE]
    away = RecordFacts(revoked=NOW - 60, gone=NOW - 50, removed=NOW - 40, absent=NOW - 30)
    gone = retired(NOW - 60, leak=Leak.KEY, record=away)
    assert done(decide(POLICY, domain(gone, signing()), NOW), "o") == [Do.PURGE]


def test_an_old_key_kept_enough_never_signs_again(decide: Decide) -> None:
    """In an emergency an older key takes over while its record is sure to stay, and no longer."""
    leaked = signing(leak=Leak.KEY)
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 13 * DAY), leaked), NOW), "o")
    assert Do.SWITCH not in done(decide(POLICY, domain(retired(NOW - 14 * DAY), leaked), NOW))


@pytest.mark.parametrize(
    "changes", [{"leak": Leak.KEY}, {"leak": Leak.HOST}, {"record": RecordFacts(revoked=NOW, missing=NOW)}]
)
def test_no_message_is_to_verify_with_a_leaked_or_revoked_key(decide: Decide, changes: dict[str, Any]) -> None:
    """A proof of what must not verify would only fail: `revoke --now` is no failure because of it."""
    for proven in (None, NOW - 2 * HOUR):
        key = on_relay(signing(**changes), proven=proven, since=NOW - HOUR)
        assert Do.PROVE not in done(decide(POLICY, domain(key), NOW))


@pytest.mark.parametrize("record", [{"revoked": NOW}, {"gone": NOW}, {"removed": NOW}])
def test_a_revoked_key_never_signs_again(decide: Decide, record: dict[str, int]) -> None:
    """Whatever else is broken, and although a server still shows it."""
    old = retired(NOW - DAY, record=served(**record))
    assert Do.SWITCH not in done(decide(POLICY, domain(old, signing(leak=Leak.KEY)), NOW))


def test_a_switch_that_reached_some_relays_is_completed(decide: Decide) -> None:
    """The newest key that works goes everywhere, and does not wait an hour for it."""
    old = signing(
        OLD, relays={"mx1": KeyOnRelay(True, left=NOW - 9), "mx2": KeyOnRelay(True, True, since=1, proven=NOW - 9)}
    )
    new = ready(
        relays={"mx1": KeyOnRelay(True, True, NOW - 9, NOW - 9, NOW - 9), "mx2": KeyOnRelay(True, tried=NOW - 9)}
    )
    assert done(decide(POLICY, domain(old, new), NOW), "b") == [Do.SWITCH]


def test_two_algorithms_rotate_by_themselves(decide: Decide) -> None:
    """A switch of the one waits for nothing of the other."""
    other = signing(id="c", selector="ed", algorithm="ed25519")
    made = decide(POLICY, domain(signing(OLD), ready(), other), NOW)
    assert made.actions == (Action(Do.SWITCH, "rsa", "b", made.actions[0].why),)
    young = decide(POLICY, domain(signing(), other._replace(created=OLD), ready(algorithm="ed25519")), NOW)
    assert Do.SWITCH not in [action.do for action in young.actions if action.algorithm == "rsa"]


def test_a_domain_without_a_signing_key_is_reported_and_not_touched(decide: Decide) -> None:
    """The first switch is `setup`'s; nothing signs by itself."""
    made = decide(POLICY, domain(ready()), NOW)
    assert Do.SWITCH not in done(made)
    assert any(wait.needs_person for wait in made.waits)


LOST = served(missing=NOW, seen=None, confirmed=None)


def test_on_hold_a_vanished_record_waits_for_a_person(decide: Decide) -> None:
    """Neither a held domain nor a manual provider is written to."""
    for changes in ({"is_held": True}, {"may_write": False}):
        made = decide(POLICY, domain(signing(record=LOST), **changes), NOW)
        assert Do.PUBLISH not in done(made)
        assert any(wait.needs_person for wait in made.waits)


def test_on_hold_the_next_key_is_not_published(decide: Decide) -> None:
    """A key that was made before the hold waits."""
    facts = domain(signing(), ready(record=RecordFacts()), is_held=True)
    assert Do.PUBLISH not in done(decide(POLICY, facts, NOW))


def test_the_record_of_the_next_key_is_written_again_after_an_hour(decide: Decide) -> None:
    """A name server that lags is not written at again and again."""
    lost = ready(record=LOST._replace(written=NOW - HOUR))
    assert Do.PUBLISH in done(decide(POLICY, domain(signing(), lost), NOW), "b")
    recent = ready(record=LOST._replace(written=NOW - HOUR + 1))
    assert done(decide(POLICY, domain(signing(), recent), NOW), "b") == [Do.LOOK]


@pytest.mark.parametrize("changes", [{"leak": Leak.KEY}, {"record": RecordFacts(revoked=NOW, missing=NOW)}])
def test_a_leaked_or_revoked_record_is_not_put_back(decide: Decide, changes: dict[str, Any]) -> None:
    """What was taken away on purpose stays away."""
    old = retired(NOW - DAY, **({"record": LOST} | changes))
    assert Do.PUBLISH not in done(decide(POLICY, domain(old, signing()), NOW), "o")


@pytest.mark.parametrize("changes", [{"leak": Leak.HOST}, {"is_ours": False}])
def test_a_leaked_standby_and_a_key_made_elsewhere_never_take_over(decide: Decide, changes: dict[str, Any]) -> None:
    """The next key is one that was made here and is in nobody else's hands."""
    assert Do.SWITCH not in done(decide(POLICY, domain(signing(OLD), ready(**changes)), NOW))


def test_a_leaked_standby_is_revoked_although_it_never_signed(decide: Decide) -> None:
    """It leaked with the host; its record goes at once."""
    assert Do.REVOKE in done(decide(POLICY, domain(signing(), ready(leak=Leak.HOST)), NOW), "b")


def test_a_person_who_begins_and_a_leak_need_no_age(decide: Decide) -> None:
    """`rotate --now` and a leak make a key and switch whatever the age."""
    assert Do.MAKE in done(decide(POLICY, domain(signing()), NOW, begin=True))
    assert Do.MAKE in done(decide(POLICY, domain(signing(leak=Leak.KEY)), NOW))
    assert Do.SWITCH in done(decide(POLICY, domain(signing(), ready()), NOW, begin=True), "b")
    assert Do.SWITCH not in done(decide(POLICY, domain(signing(), ready()), NOW), "b")


def test_a_wish_is_for_the_algorithms_that_it_names(decide: Decide) -> None:
    """What was replaced since the wish is named no more, and waits for its age again."""
    assert Do.MAKE in done(decide(POLICY, domain(signing()), NOW, begin={signing().algorithm}))
    assert Do.MAKE not in done(decide(POLICY, domain(signing()), NOW, begin={"another"}))


def test_of_two_new_keys_the_one_that_was_confirmed_first_takes_over(decide: Decide) -> None:
    """A key that is being published does not hold up one that is ready."""
    later = ready(id="c", selector="dk3", record=RecordFacts(NOW - 60))
    assert Do.SWITCH in done(decide(POLICY, domain(signing(OLD), ready(), later), NOW), "b")
    assert Do.SWITCH not in done(decide(POLICY, domain(signing(OLD), ready(), later), NOW), "c")


def test_one_unproven_relay_is_enough_to_keep_what_is_old(decide: Decide) -> None:
    """Every relay has to be proven, and every key that signs has to be served, before anything is taken away."""
    used = signing().relays["mx"]
    half = signing(relays={"mx1": used, "mx2": used._replace(proven=None)})
    assert done(decide(POLICY, domain(retired(NOW - 20 * DAY), half), NOW), "o") == []
    other = signing(id="c", selector="dk3", record=LOST)
    assert done(decide(POLICY, domain(retired(NOW - 20 * DAY), signing(), other), NOW), "o") == []


def test_a_key_whose_probe_fails_is_left_for_one_that_works(decide: Decide) -> None:
    """A relay that was never proven with the new key, and whose probes fail, goes back to the old one."""
    failing = on_relay(signing(), since=None, proven=None, failed=NOW - 60)
    assert Do.SWITCH in done(decide(POLICY, domain(retired(NOW - 60), failing), NOW), "o")
    once = on_relay(signing(), failed=NOW - 60)
    assert Do.SWITCH not in done(decide(POLICY, domain(retired(NOW - 60), once), NOW))


def test_an_empty_record_outlives_its_private_key_and_is_still_removed(decide: Decide) -> None:
    """A purged key is forgotten only once nothing is at its name; an absence from before does not count."""
    gone = RecordFacts(revoked=NOW - 31 * DAY, gone=NOW - 31 * DAY, absent=NOW - 31 * DAY)
    for record in (gone, gone._replace(absent=None)):
        old = retired(NOW - 99 * DAY, record=record, is_purged=True)
        assert done(decide(POLICY, domain(old, signing()), NOW), "o") == [Do.REMOVE]
    manual = retired(NOW - 99 * DAY, record=gone._replace(absent=None), is_purged=True)
    assert done(decide(POLICY, domain(manual, signing(), may_write=False), NOW), "o") == [Do.LOOK]


# --- the policy


def test_the_jitter_of_a_domain_is_stable_and_a_tenth_at_most() -> None:
    """Each domain keeps its own age, all within ± 10 %, spread over it."""
    ages = [jitter(f"d{number}.example", 180 * DAY) for number in range(500)]
    assert ages == [jitter(f"d{number}.example", 180 * DAY) for number in range(500)]
    assert 162 * DAY <= min(ages) < 165 * DAY and 195 * DAY < max(ages) <= 198 * DAY
