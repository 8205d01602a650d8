"""What is done at a provider for one zone, in one thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import ApiError, DkimctlError, Refused
from dkimctl.keys.store import KeyName, KeyReader, current_key
from dkimctl.providers.base import Provider
from dkimctl.publish.apply import ZoneResult, apply
from dkimctl.publish.digest import PlanDigest, fingerprint
from dkimctl.publish.interruption import Interrupted, Stop
from dkimctl.publish.plan import Plan, Wanted, plan
from dkimctl.publish.published import Choices
from dkimctl.publish.zones import ZoneGroup
from dkimctl.record.from_key import record_of


@dataclass(frozen=True, slots=True)
class ZoneDone:
    """How it ended for the names of one zone."""

    result: ZoneResult | Plan | None = None
    """A plan from a dry run; None when there was nothing that could be done."""
    errors: Mapping[str, DkimctlError] = field(default_factory=dict)
    """Owner name → error, of the names that are not in the result."""
    elsewhere: Sequence[str] = ()
    """The names of a zone that is not in this account."""


@dataclass(frozen=True, slots=True)
class ZoneWork:
    """Safe to use from several threads: everything it holds is."""

    settings: Settings
    store: KeyReader
    keys: Mapping[str, KeyName]
    """Owner name → key, of the names that are still open."""
    provider: Provider
    choices: Choices
    clock: Clock
    stop: Stop
    approved: PlanDigest | None
    claims: dict[str, str]
    """Zone → the provider that changes it in this run of the program."""

    def do(self, group: ZoneGroup) -> ZoneDone:
        """Plan, and unless it is a dry run do it and prove it."""
        wanted: list[Wanted] = []
        errors: dict[str, DkimctlError] = {}
        try:
            if self.stop.is_requested:
                raise Interrupted("interrupted before it began")
            if group.is_likely and not self._may_be_here(group.zone):
                return ZoneDone(elsewhere=group.names)
            for name in group.names:
                try:
                    wanted.append(self.wanted(name))
                except DkimctlError as error:
                    errors[name] = error
            planned = self._plan(group, wanted) if wanted else None
            if planned is None:
                return ZoneDone(errors=errors, elsewhere=tuple(one.name for one in wanted))
            self._claim(group.zone)
            return ZoneDone(planned if self.choices.dry_run else self._change(planned), errors)
        except DkimctlError as error:
            return ZoneDone(errors=dict.fromkeys(group.names, error) | errors)

    def wanted(self, name: str) -> Wanted:
        """The record that is wanted at an owner name. Raises DkimctlError when its key cannot be read."""
        key = current_key(self.store, self.keys[name])
        ttl = self.choices.ttl or self.settings.domain(key.domain).ttl
        return Wanted(key.domain, key.selector, name, record_of(self.store, key), ttl)

    def _may_be_here(self, zone: str) -> bool:
        """False when the account is known not to have the zone; some say so only when it is read."""
        if self.provider.capabilities.knows_its_zones:
            return True
        try:
            return self.provider.zone_of(zone) == zone
        except DkimctlError:  # asking for the domain itself says it better
            return False

    def _plan(self, group: ZoneGroup, wanted: Sequence[Wanted]) -> Plan | None:
        """The plan; None when it was only likely that the account has the zone, and it has not."""
        try:
            return plan(self.provider, group.zone, wanted, self.choices.overrides)
        except ApiError as error:
            if group.is_likely and error.status in (403, 404):
                return None
            raise

    def _claim(self, zone: str) -> None:
        """Raises Refused for a zone that another provider of this run has as well."""
        owner, own = self.claims.setdefault(zone, self.provider.name), self.provider.name
        if owner != own:
            raise Refused(
                f"{zone} would be changed with two credentials in one run: {owner} and {own}",
                hint=f"name one provider for all domains of {zone}",
            )

    def _change(self, planned: Plan) -> ZoneResult:
        self._check(planned)
        return apply(self.provider, planned, clock=self.clock, overrides=self.choices.overrides)

    def _check(self, planned: Plan) -> None:
        """Raises Refused when something would be changed that is not in the plan that may be done."""
        if self.approved is None:
            return
        for name in planned.names:
            if name.changes:
                one = fingerprint(self.provider.name, planned.zone, name.wanted.name, name.changes)
                if one not in self.approved:
                    raise Refused(
                        f"{planned.zone} has changed since the plan was compared; nothing was changed in it",
                        hint="look at the new plan with --dry-run",
                    )
