"""Doing a plan and proving it: write, read back, compare, and only then make it effective."""

from collections.abc import Sequence
from dataclasses import dataclass

from dkimctl.clock import Clock
from dkimctl.errors import RUN_AGAIN, ApiError, DkimctlError
from dkimctl.providers.base import Change, Provider, ProviderRecord
from dkimctl.publish.plan import NO_OVERRIDES, NamePlan, Overrides, Plan, Wanted
from dkimctl.publish.settle import Settling


@dataclass(frozen=True, slots=True)
class NameResult:
    """How one name ended."""

    wanted: Wanted
    existing: tuple[ProviderRecord, ...]
    """What was there before."""
    changes: tuple[Change, ...]
    """What the plan asked for."""
    error: DkimctlError | None = None
    """None: exactly the wanted record stands there, as read back from the provider."""


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """How one zone ended."""

    zone: str
    names: tuple[NameResult, ...]
    activated: bool
    """True when the provider was told to serve what stands there now."""
    is_active: bool | None
    """What the provider says of a zone in which nothing was changed; None: it cannot tell, or was not asked."""


def apply(provider: Provider, planned: Plan, *, clock: Clock, overrides: Overrides = NO_OVERRIDES) -> ZoneResult:
    """Do the plan of a zone, prove each record by reading it back, then make the zone's records effective.

    Errors of single names are in the result; one name does not stop the others. Raises DkimctlError only when nothing
    was to be changed and the provider fails all the same.
    """
    changed = [name for name in planned.names if name.changes]
    errors = {name.wanted.name: name.refusal for name in planned.names if name.refusal}
    if not changed:
        return _unchanged(provider, planned, errors)
    settling = Settling(provider, planned.zone, clock, overrides)
    settling.settle(changed)
    errors |= settling.errors
    activated = _activate(provider, planned.zone, changed, settling, errors)
    return ZoneResult(planned.zone, _results(planned, errors), activated, None)


def _unchanged(provider: Provider, planned: Plan, errors: dict[str, DkimctlError]) -> ZoneResult:
    """Nothing to change; but an earlier run may have been stopped before it made its changes effective."""
    names = _results(planned, errors)
    if all(name.error for name in names):
        return ZoneResult(planned.zone, names, activated=False, is_active=None)
    active = provider.is_active(planned.zone)
    if active is False:
        provider.activate(planned.zone)
    return ZoneResult(planned.zone, names, activated=active is False, is_active=active)


def _activate(
    provider: Provider,
    zone: str,
    changed: Sequence[NamePlan],
    settling: Settling,
    errors: dict[str, DkimctlError],
) -> bool:
    """Make it effective, unless some name is in a state that nobody should see. Adds what fails to the errors."""
    if settling.half_done:
        half_done = ", ".join(sorted(settling.half_done))
        failure = ApiError(f"written, but {zone} is not refreshed while {half_done} is half done", hint=RUN_AGAIN)
    else:
        try:
            provider.activate(zone)
            return True
        except DkimctlError as error:
            failure = ApiError(f"written, but {zone} is not refreshed: {error.message}", hint=error.hint)
    for name in changed:
        errors.setdefault(name.wanted.name, failure)
    return False


def _results(planned: Plan, errors: dict[str, DkimctlError]) -> tuple[NameResult, ...]:
    return tuple(
        NameResult(name.wanted, name.existing, name.changes, errors.get(name.wanted.name)) for name in planned.names
    )
