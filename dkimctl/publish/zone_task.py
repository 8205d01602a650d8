"""The work on one zone: plan and apply its changes, in one thread of the pool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import ApiError, DkimctlError, Refused
from dkimctl.keys.store import KeyName, KeyReader, current_key
from dkimctl.providers.base import Provider
from dkimctl.publish.apply import ZoneResult, apply
from dkimctl.publish.plan import Plan, Wanted, plan
from dkimctl.publish.plan_digest import PlanDigest, fingerprint
from dkimctl.publish.publication import Choices
from dkimctl.publish.stop import Interrupted, Stop
from dkimctl.publish.zones import ZoneGroup
from dkimctl.record.published_keys import record_of


@dataclass(frozen=True, slots=True)
class ZoneTaskResult:
    """The result of the work on one zone."""

    result: ZoneResult | Plan | None = None
    """A plan in a dry run; None when nothing could be done."""
    errors: Mapping[str, DkimctlError] = field(default_factory=dict)
    """Owner name → error, for the names that are not in `result`."""
    elsewhere: Sequence[str] = ()
    """The names whose zone is not in this account."""


@dataclass(frozen=True, slots=True)
class ZoneTask:
    """Plans and applies the changes of one zone at a time; safe to use from several threads."""

    settings: Settings
    store: KeyReader
    keys: Mapping[str, KeyName]
    """Owner name → key, of the open names."""
    provider: Provider
    choices: Choices
    clock: Clock
    stop: Stop
    approved: PlanDigest | None
    claims: dict[str, str]
    """Zone → the provider that changes it in this run of the program."""

    def run(self, group: ZoneGroup) -> ZoneTaskResult:
        """Plan the changes of a zone and, unless it is a dry run, apply and prove them."""
        wanted: list[Wanted] = []
        errors: dict[str, DkimctlError] = {}
        try:
            if self.stop.is_requested:
                raise Interrupted("interrupted before it was started")
            if group.is_likely and not self._may_be_here(group.zone):
                return ZoneTaskResult(elsewhere=group.names)
            for name in group.names:
                try:
                    wanted.append(self.wanted(name))
                except DkimctlError as error:
                    errors[name] = error
            planned = self._plan(group, wanted) if wanted else None
            if planned is None:
                return ZoneTaskResult(errors=errors, elsewhere=tuple(one.name for one in wanted))
            self._claim(group.zone)
            return ZoneTaskResult(planned if self.choices.dry_run else self._change(planned), errors)
        except DkimctlError as error:
            return ZoneTaskResult(errors=dict.fromkeys(group.names, error) | errors)

    def wanted(self, name: str) -> Wanted:
        """Return the record wanted at an owner name. Raises DkimctlError when its key cannot be read."""
        key = current_key(self.store, self.keys[name])
        ttl = self.choices.ttl_of(self.settings.domain(key.domain))
        return Wanted(key.domain, key.selector, name, record_of(self.store, key), ttl)

    def _may_be_here(self, zone: str) -> bool:
        """Return whether the account may have the zone; some providers refuse it only when it is read."""
        if self.provider.capabilities.knows_its_zones:
            return True
        try:
            return self.provider.zone_of(zone) == zone
        except DkimctlError:  # the request for the domain itself gives the better message
            return False

    def _plan(self, group: ZoneGroup, wanted: Sequence[Wanted]) -> Plan | None:
        """Return the plan; None when the zone is known only from DNS and the account does not have it."""
        try:
            return plan(self.provider, group.zone, wanted, self.choices.overrides)
        except ApiError as error:
            if group.is_likely and error.status in (403, 404):
                return None
            raise

    def _claim(self, zone: str) -> None:
        """Raise Refused for a zone that another provider of this run changes as well."""
        first, own = self.claims.setdefault(zone, self.provider.name), self.provider.name
        if first != own:
            raise Refused(
                f"{zone} would be changed with two credentials in one run: {first} and {own}",
                hint=f"name one provider for all domains of {zone}",
            )

    def _change(self, planned: Plan) -> ZoneResult:
        self._check(planned)
        return apply(self.provider, planned, clock=self.clock, overrides=self.choices.overrides)

    def _check(self, planned: Plan) -> None:
        """Raise Refused when a change is not in the approved plan."""
        if self.approved is None:
            return
        for name in planned.names:
            if name.changes:
                one = fingerprint(self.provider.name, planned.zone, name.wanted.name, name.changes)
                if one not in self.approved:
                    raise Refused(
                        f"{planned.zone} was changed after the plan was checked; nothing was written to it",
                        hint="look at the new plan with --dry-run",
                    )
