"""Domains at rest: one key signs and is right, another one is on standby, and no step is due.

There may be 100,000 of them; of each this says what `gather` and `plan` would, in a fifth of their time.
"""

from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, Life
from dkimctl.lifecycle.fitness import old_since
from dkimctl.lifecycle.gather import Machine, created_at
from dkimctl.lifecycle.notes import record_notes, relay_notes
from dkimctl.lifecycle.policy import Policy, policy_for
from dkimctl.lifecycle.watching import checks_to_come

_ENDED = frozenset(("missing", "revoked", "gone", "removed", "absent"))
"""What is noted of a record that is not there, or not for long."""


class Rest(NamedTuple):
    """What a plan says of a domain at rest, for which it has no wait, and no action but looks and proofs."""

    selector: str
    """The key that signs."""
    since: int
    last_seen: int | None
    """When its record was looked up last."""
    proven: int | None
    """When a message that it signed was verified last."""
    policy: Policy
    switch: int
    """When the standby takes over."""


def rest_of(settings: Settings, domain: str, life: Life, machine: Machine, now: int) -> Rest | None:
    """Return what a plan would say; None for a domain to be planned. Raises CheckFailed for damaged facts."""
    if (
        machine.clock_problem
        or machine.returned is not None
        or life.lost
        or len(life.keys) != 2
        or any(life.notes.values())
    ):
        return None
    used, standby = life.keys
    is_first, is_second = (domain, used.selector) in machine.installed, (domain, standby.selector) in machine.installed
    if is_first is is_second:
        return None
    if is_second:
        used, standby = standby, used
    known, spare = used.metadata, standby.metadata
    if "signing" in spare.facts or spare.phase is not Phase.VERIFIED or spare.algorithm != known.algorithm:
        return None
    record, relay, created = _served(used, now), relay_notes(known, now), created_at(used, now)
    if record is None or _served(standby, now) is None or now in (created, created_at(standby, now)):
        return None
    since = relay.get("since")
    if since is None or "failed" in relay or "pinned" in known.facts["signing"] or now in relay.values():  # type: ignore[operator]
        return None
    policy = policy_for(settings, domain)
    switch = old_since(created, since, policy)
    if policy.automation == "off" or switch <= now:
        return None
    return Rest(used.selector, since, record.get("last_seen"), relay.get("proven"), policy, switch)


def due_of(rest: Rest, now: int) -> int | None:
    """Return when the plan is to be made again: for a look, a proof, or the switch; None for a look or proof now."""
    if rest.last_seen is None or rest.proven is None:
        return None
    looks = checks_to_come(rest.policy, rest.since, min(rest.last_seen, rest.proven))
    first = min(rest.last_seen + rest.policy.check_every, rest.switch, *looks)
    return first if first > now else None


def _served(key: Key, now: int) -> dict[str, int] | None:
    """Return what was noted of the record of a key of our making that is proven, served and stays; None for any other.

    Nor is it returned where an instant is in the future: `rotate` sets those right.
    """
    known = key.metadata
    if known.path or not known.history or known.history[0].phase is not Phase.GENERATED or known.facts.get("leak"):
        return None
    record = record_notes(known, now)
    is_whole = "seen" in record and "confirmed" in record and _ENDED.isdisjoint(record)
    return record if is_whole and now not in record.values() else None
