"""The end of a setup in a fleet: its relays sign with the new keys, and each has proven it."""

from collections.abc import Sequence

from dkimctl.keys.store import Key
from dkimctl.lifecycle.gather import identity
from dkimctl.lifecycle.relays import Relays
from dkimctl.names import counted
from dkimctl.setup.steps import SetupStep, Site, StepState

_PAUSE = 2.0
"""Seconds between two looks at what the relays have reported."""
_SEE = "see what they do: dkimctl fleet status"
_NONE = f"on a new one: dkimctl fleet join NAME; {_SEE}"


def await_relays(site: Site, relays: Relays, keys: Sequence[Key], timeout: float) -> None:
    """Wait until every relay that lives has proven each of these keys, and report it for each; at most so long."""
    waiting, end, told = list(keys), site.clock.monotonic() + timeout, 0
    while waiting:
        lacking = {key.name: _lacking(site, relays, key) for key in waiting}
        for key in [key for key in waiting if lacking[key.name] == []]:
            waiting.remove(key)
            proof = f"every relay signs with {key.selector}, proven by a message"
            site.report(SetupStep("relays", StepState.DONE, proof, key.domain))
        if not waiting or site.stop.is_requested or site.clock.monotonic() >= end:
            break
        if len(waiting) != told:
            told = len(waiting)
            site.progress(f"waiting up to {timeout:g} s for the relays to sign for {counted(told, 'domain')}")
        site.clock.sleep(_PAUSE)
    for key in waiting:
        missing = lacking[key.name]
        proof = f"not yet on {', '.join(missing)}" if missing else "no relay that was heard from lately is in service"
        hint = _SEE if missing else _NONE
        site.report(SetupStep("relays", StepState.TODO, proof, key.domain, hint=hint, exit_code=3))


def _lacking(site: Site, relays: Relays, key: Key) -> list[str] | None:
    """Return the relays that were not seen to sign with a key; None where none lives that could."""
    known = relays.facts_of(key.domain).get(identity(site.store, key), {})
    living = {name: relay for name, relay in known.items() if not relay.is_away}
    if not living:
        return None
    return [name for name, relay in living.items() if not relay.is_used or relay.proven is None]
