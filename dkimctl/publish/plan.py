"""Plan the changes after which each name has exactly the wanted record. A plan is a value; it changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dkimctl.errors import DkimctlError, Refused, shell_word
from dkimctl.names import owner_name, printable
from dkimctl.providers.base import Capabilities, Change, Create, Delete, Glances, Provider, ProviderRecord, Replace
from dkimctl.publish.record_match import RecordMatch, match_record
from dkimctl.record.model import KeyRecord


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key record that should be published."""

    domain: str
    selector: str
    name: str
    """The owner name of the record: absolute, without final dot."""
    record: KeyRecord
    ttl: int | None = None
    """Seconds; None leaves it as it is, or to the zone's default."""

    @property
    def owner(self) -> str:
        """The name that verifiers query: `name`, or a CNAME that points to it."""
        return owner_name(self.selector, self.domain)


@dataclass(frozen=True, slots=True)
class NamePlan:
    """The existing records of one name and the changes planned for it."""

    wanted: Wanted
    existing: tuple[ProviderRecord, ...]
    changes: tuple[Change, ...] = ()
    refusal: DkimctlError | None = None
    """Why nothing may be changed at this name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one zone, in the order of the wanted records."""

    zone: str
    names: tuple[NamePlan, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in order; empty when there is nothing to do."""
        return tuple(change for name in self.names for change in name.changes)


@dataclass(frozen=True, slots=True)
class Overrides:
    """Explicit permissions for changes that are refused by default: `--replace`, `--accept-limits`."""

    replace_foreign: bool = False
    """Replace records that hold another key or another text."""
    accept_limits: bool = False
    """Publish despite the service's limits: a text longer than it stores, or under its second record type."""


NO_OVERRIDES = Overrides()


def plan(provider: Provider, zone: str, wanted: Sequence[Wanted], overrides: Overrides = NO_OVERRIDES) -> Plan:
    """Compare the provider's records with the wanted ones. Reads only. Raises ApiError."""
    capabilities = provider.capabilities
    right = _right_at_a_glance(provider, zone, wanted, overrides)
    rest = [one.name for one in wanted if one.name not in right]
    found = provider.find(zone, rest) if rest else {}
    names = (right.get(one.name) or _plan_name(one, tuple(found[one.name]), capabilities, overrides) for one in wanted)
    return Plan(zone, tuple(names))


def _right_at_a_glance(
    provider: Provider, zone: str, wanted: Sequence[Wanted], overrides: Overrides
) -> dict[str, NamePlan]:
    """Return the plans of the names that a cheap look already shows to be right."""
    if not isinstance(provider, Glances):
        return {}
    seen = provider.glance(zone, [one.name for one in wanted])
    plans = (
        _plan_name(one, tuple(seen[one.name]), provider.capabilities, overrides) for one in wanted if seen.get(one.name)
    )
    return {one.wanted.name: one for one in plans if not one.changes and not one.refusal}


def _plan_name(
    wanted: Wanted, existing: tuple[ProviderRecord, ...], capabilities: Capabilities, overrides: Overrides
) -> NamePlan:
    refusal = _refusal(wanted, existing, capabilities, overrides)
    if refusal is not None:
        return NamePlan(wanted, existing, refusal=refusal)
    return NamePlan(wanted, existing, tuple(_changes(wanted, existing, capabilities, overrides)))


def delegation_hint(domain: str) -> str:
    """Return the hint for a service that cannot store a key record. A shorter key is not offered: it is weaker."""
    return (
        f'make the name a CNAME into a zone at another provider: [domains."{domain}"] delegate = "…" '
        "(a shorter key would be weaker)"
    )


def _refusal(
    wanted: Wanted, existing: Sequence[ProviderRecord], capabilities: Capabilities, overrides: Overrides
) -> Refused | None:
    for record in existing:
        if record.field_type == "CNAME":
            return _delegated(wanted, record)
    limit = capabilities.text_limit
    if limit is not None and len(wanted.record.text) > limit and not overrides.accept_limits:
        return Refused(
            f"{wanted.name}: the record has {len(wanted.record.text)} characters, and this service stores {limit}",
            hint=f"{delegation_hint(wanted.domain)}; or publish it anyway with --accept-limits",
        )
    foreign = [record for record in existing if match_record(record.text, wanted.record) is RecordMatch.FOREIGN]
    if foreign and not overrides.replace_foreign:
        return _taken(wanted, foreign[0])
    return None


def _delegated(wanted: Wanted, record: ProviderRecord) -> Refused:
    target = printable(record.text, 255)
    return Refused(
        f"{wanted.name} is a CNAME to {target}: its record is published there, by the operator of that zone",
        hint=f"have it published at {target}, or remove the CNAME, or use another selector: "
        f"dkimctl genkey {shell_word(wanted.domain)} -s NAME",
    )


def _taken(wanted: Wanted, record: ProviderRecord) -> Refused:
    what = "another key" if "p=" in record.text else "another text"
    return Refused(
        f"{wanted.name} already holds {what} ({record.field_type}), and there can be only one record",
        hint=f"use another selector: dkimctl genkey {shell_word(wanted.domain)} -s NAME; "
        "if nothing signs with it, publish it with --replace",
    )


def _changes(
    wanted: Wanted, existing: Sequence[ProviderRecord], capabilities: Capabilities, overrides: Overrides
) -> Iterator[Change]:
    """Create or correct the one record first, and only then remove the others, so that the name always has one."""
    target = ProviderRecord(wanted.name, capabilities.field_type, wanted.record.text, wanted.ttl or 0)
    kept = _kept(wanted, existing, capabilities, overrides)
    if kept is None:
        yield Create(target)
    elif not _is_right(kept, wanted):
        ttl = kept.ttl if wanted.ttl is None else wanted.ttl
        yield Replace(kept, replace(kept, text=wanted.record.text, ttl=ttl))
    for record in existing:
        if record is not kept:
            yield Delete(record)


def _kept(
    wanted: Wanted, existing: Sequence[ProviderRecord], capabilities: Capabilities, overrides: Overrides
) -> ProviderRecord | None:
    """Return the record to keep: one of the right type; of several, a right one; of those, the oldest."""
    types = {capabilities.field_type}
    candidates = [record for record in existing if record.field_type in types]
    if capabilities.fallback_type and (wanted.record.get("k", "rsa") != "rsa" or overrides.accept_limits):
        candidates += [r for r in existing if r.field_type == capabilities.fallback_type and _is_right(r, wanted)]
    return min(candidates, key=lambda r: (not _is_right(r, wanted), _age(r)), default=None)


def _is_right(record: ProviderRecord, wanted: Wanted) -> bool:
    return match_record(record.text, wanted.record) is RecordMatch.SAME and wanted.ttl in (None, record.ttl)


def _age(record: ProviderRecord) -> tuple[int, str]:
    return (len(record.id), record.id)  # ids are numbers that grow
