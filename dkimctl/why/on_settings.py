"""What becomes of mail by opendkim.conf's On-… settings; On-Default holds for those that are not set."""

from typing import NamedTuple

from dkimctl.host.installation import where
from dkimctl.host.world import World
from dkimctl.why.answer import Decided, MailOutcome

_OUTCOMES = {
    "accept": MailOutcome.UNSIGNED,
    "quarantine": MailOutcome.UNSIGNED,
    "reject": MailOutcome.REJECTED,
    "discard": MailOutcome.REJECTED,
    "tempfail": MailOutcome.DEFERRED,
}


class Handling(NamedTuple):
    """An outcome, and the setting that says so."""

    outcome: MailOutcome
    setting: str = ""
    """`opendkim.conf line 3: On-Default reject`; empty where none is set."""


def handling(world: World, name: str, usual: MailOutcome) -> Handling:
    """Return what a setting makes of mail; `usual` where neither it nor On-Default is set."""
    action = world.opendkim.find(name) or world.opendkim.find("On-Default")
    outcome = _OUTCOMES.get(action.value.lower()) if action else None
    if action is None or outcome is None:
        return Handling(usual)
    return Handling(outcome, f"{where(action)}: {action.name} {action.value}")


def verified(world: World, reason: str) -> Decided:
    """Return the outcome of mail that is not to be signed: with `v` in Mode, On-NoSignature applies to it."""
    found = handling(world, "On-NoSignature", MailOutcome.UNSIGNED)
    if found.outcome is MailOutcome.UNSIGNED or "v" not in world.opendkim.get("Mode", "sv").lower():
        return Decided(MailOutcome.UNSIGNED, reason)
    return Decided(found.outcome, f"{reason}; so it is verified, and has no signature ({found.setting})", is_sure=True)
