"""The pure core of the key life cycle: what may be done now for one domain, and when to look again.

plan(policy, facts, now) → Plan. No I/O, no clock, no store. Calling it early is harmless, calling it late only delays:
every waiting time counts from a noted fact, and a fact is noted only after it was read back. The rule of every step
is BIND's: an invariant is broken now, or it holds afterwards; while it is broken nothing is taken away.
"""

from collections.abc import Collection

from dkimctl.lifecycle.facts import Facts
from dkimctl.lifecycle.fitness import is_away, must_be_seen_first, old_at
from dkimctl.lifecycle.planning import Action, Do, Found, Plan, Planning, Wait
from dkimctl.lifecycle.policy import Policy
from dkimctl.lifecycle.retiring import retire
from dkimctl.lifecycle.succession import make, prepare, switch, target_of
from dkimctl.lifecycle.watching import kept_keys, restore, tell_overdue, watch

__all__ = ["Action", "Do", "Plan", "Wait", "old_at", "plan"]


def plan(policy: Policy, facts: Facts, now: int, *, begin: bool | Collection[str] = False) -> Plan:
    """Return what to do for a domain.

    `begin`: a person asked for a rotation now (`rotate --now`, `revoke`), of all its keys or those of these algorithms.
    """
    found = Found()
    living = [key for key in facts.keys if not (key.is_purged and is_away(key, facts))]
    for algorithm in dict.fromkeys(key.algorithm for key in living):
        keys = tuple(key for key in living if key.algorithm == algorithm)
        begins = begin if isinstance(begin, bool) else algorithm in begin
        _work(Planning(policy, facts, keys, algorithm, now, begins, found))
    return Plan(tuple(found.actions), min((due for due in found.dues if due > now), default=None), tuple(found.waits))


def _work(planning: Planning) -> None:
    used = [key for key in planning.keys if key.is_used]
    if not any(key.is_used for key in planning.facts.keys):  # a signer may sign with one of two algorithms only
        planning.wait(Do.SWITCH, None, "no key of this domain signs yet", person=True)
    for key in used:
        watch(planning, key)
    for key in kept_keys(planning):
        restore(planning, key)
    target = target_of(planning, used)
    if target is not None:
        prepare(planning, target, used)
        if not must_be_seen_first(used):
            switch(planning, target, used)
    elif used:
        make(planning, used)
    for key in used:
        tell_overdue(planning, key)
    for key in planning.keys:
        if not key.is_used and key is not target:
            retire(planning, key, used)
