"""Apply a plan and prove it: write, read back, compare, and only then refresh the zone."""

from collections.abc import Sequence
from dataclasses import dataclass

from dkimctl.clock import Clock
from dkimctl.errors import RUN_AGAIN, ApiError, DkimctlError
from dkimctl.providers.base import Change, Provider, ProviderRecord
from dkimctl.publish.plan import NO_OVERRIDES, NamePlan, Overrides, Plan, Wanted
from dkimctl.publish.zone_writer import ZoneWriter


@dataclass(frozen=True, slots=True)
class NameResult:
    """The result for one name."""

    wanted: Wanted
    existing: tuple[ProviderRecord, ...]
    """The records that were there before."""
    changes: tuple[Change, ...]
    """The changes that the plan asked for."""
    error: DkimctlError | None = None
    """None: the provider holds exactly the wanted record, as read back."""


@dataclass(frozen=True, slots=True)
class ZoneResult:
    """The result for one zone."""

    zone: str
    names: tuple[NameResult, ...]
    activated: bool
    """True when the provider was asked to serve the zone's current records."""
    is_active: bool | None
    """True when the provider already serves an unchanged zone; None: unknown, or not asked."""


def apply(provider: Provider, planned: Plan, *, clock: Clock, overrides: Overrides = NO_OVERRIDES) -> ZoneResult:
    """Apply a zone's plan, prove each record by reading it back, then activate the zone.

    Errors of single names are in the result; one name does not stop the others. Raises DkimctlError only when no
    change was planned and the provider fails nevertheless.
    """
    changed = [name for name in planned.names if name.changes]
    errors = {name.wanted.name: name.refusal for name in planned.names if name.refusal}
    if not changed:
        return _unchanged(provider, planned, errors)
    writer = ZoneWriter(provider, planned.zone, clock, overrides)
    writer.write(changed)
    errors |= writer.errors
    activated = _activate(provider, planned.zone, changed, writer, errors)
    return ZoneResult(planned.zone, _results(planned, errors), activated, None)


def _unchanged(provider: Provider, planned: Plan, errors: dict[str, DkimctlError]) -> ZoneResult:
    """Activate an unchanged zone if needed: an earlier run may have been stopped before it did."""
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
    writer: ZoneWriter,
    errors: dict[str, DkimctlError],
) -> bool:
    """Activate the zone unless a name is in an intermediate state. Return whether it was; add failures to `errors`."""
    if writer.half_done:
        half_done = ", ".join(sorted(writer.half_done))
        failure = ApiError(f"written, but {zone} was not refreshed because {half_done} is half done", hint=RUN_AGAIN)
    else:
        try:
            provider.activate(zone)
            return True
        except DkimctlError as error:
            failure = ApiError(f"written, but {zone} was not refreshed: {error.message}", hint=error.hint)
    for name in changed:
        errors.setdefault(name.wanted.name, failure)
    return False


def _results(planned: Plan, errors: dict[str, DkimctlError]) -> tuple[NameResult, ...]:
    return tuple(
        NameResult(name.wanted, name.existing, name.changes, errors.get(name.wanted.name)) for name in planned.names
    )
