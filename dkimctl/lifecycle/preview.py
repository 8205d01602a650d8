"""What `rotate` would find and plan for a domain; nothing is done."""

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.keys.store import Life, LifecycleStore
from dkimctl.lifecycle.deletion import deletion_plan
from dkimctl.lifecycle.gather import Gathered, Machine, gather
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.plan import Plan, plan
from dkimctl.lifecycle.policy import Policy, policy_for


def preview(
    settings: Settings,
    store: LifecycleStore,
    domain: str,
    machine: Machine,
    clock: Clock,
    life: Life | None = None,
) -> tuple[Gathered, Policy, Plan]:
    """Return the facts, the policy and the plan of a domain; nothing is done. `life` and errors: as `gather`."""
    now = instant(clock.now())
    found, policy = look_at(settings, store, domain, machine, now, life)
    if found.is_deleted:
        return found, policy, deletion_plan(settings, found, machine, now)
    return found, policy, plan(policy, found.facts, now, begin=found.begun)


def look_at(
    settings: Settings, store: LifecycleStore, domain: str, machine: Machine, now: int, life: Life | None = None
) -> tuple[Gathered, Policy]:
    """Return the facts and the policy of a domain. `life` and what is raised: as `gather`."""
    found = gather(settings, store, domain, machine, now, life)
    policy = policy_for(settings, domain, is_adopted=found.is_adopted, queue_lifetime=machine.queue_lifetime)
    return found, policy
