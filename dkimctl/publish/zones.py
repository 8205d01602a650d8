"""Find the zone of each key's record: from the configuration, else from DNS and the account."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import DkimctlError, Refused
from dkimctl.keys.store import KeyName
from dkimctl.names import relative_name, split_owner_name
from dkimctl.providers.base import Provider
from dkimctl.publish.worker_pool import WorkerPool


@dataclass(frozen=True, slots=True)
class ZoneGroup:
    """The owner names of one zone."""

    zone: str
    names: tuple[str, ...]
    is_likely: bool = False
    """True when the zone is known only from DNS: the account may not have it."""


@dataclass(frozen=True, slots=True)
class NamesByZone:
    """Owner names grouped by zone, as far as the zones are known."""

    groups: tuple[ZoneGroup, ...]
    rest: Sequence[str]
    """The names whose zone is unknown."""
    outside: Mapping[str, DkimctlError]
    """The names outside the zone configured for them, or below a zone cut in it."""
    in_dns: Mapping[str, str]
    """Domain → the zone of its key records in DNS, where there is one."""


def sort_by_zone(keys: Mapping[str, KeyName], settings: Settings, *, ask_dns: bool) -> NamesByZone:
    """Group owner names by their configured zone or, with `ask_dns`, by their zone in DNS; without API requests.

    `keys`: owner name → key.
    """
    likely = _likely(keys, settings.lookup) if ask_dns and keys else {}
    zones: dict[str, str] = {}
    outside: dict[str, DkimctlError] = {}
    for name, key in keys.items():
        zone = settings.zone_for(key.domain)
        if zone is None:
            continue
        try:
            relative_name(name, zone)
            refuse_below_cut(name, zone, likely.get(domain_of(name), ""))
            zones[name] = zone
        except DkimctlError as error:
            outside[name] = error
    open_names = [name for name in keys if name not in zones and name not in outside]
    in_dns = {name: zone for name in open_names if (zone := likely.get(domain_of(name)))}
    groups = [*_grouped(zones), *_grouped(in_dns, is_likely=True)]
    return NamesByZone(tuple(groups), [name for name in open_names if name not in in_dns], outside, likely)


def refuse_below_cut(name: str, zone: str, in_dns: str) -> None:
    """Raise Refused when DNS has a zone cut between `zone` and the name: a record there would not be visible."""
    if in_dns.endswith(f".{zone}"):
        raise Refused(
            f"in DNS {in_dns} is a zone of its own: a record published in {zone} at {name} is not visible",
            hint=f'publish it at the provider of {in_dns}: [domains."{domain_of(name)}"] zone = "{in_dns}" and '
            f"provider; or remove the NS records of {in_dns} from {zone}",
        )


def ask_for_zones(
    names: Sequence[str], provider: Provider, jobs: int, in_dns: Mapping[str, str]
) -> tuple[list[ZoneGroup], dict[str, DkimctlError]]:
    """Group names by the zone that the account names for each domain. Return the groups, and an error for each other.

    `jobs`: how many requests at a time. `in_dns`: domain → its zone in DNS.
    """
    samples = {domain_of(name): name for name in names}

    def ask(domain: str) -> str | DkimctlError:
        try:
            return provider.zone_of(samples[domain])
        except DkimctlError as error:
            return error

    answers: dict[str, str | DkimctlError] = {}
    workers = WorkerPool(jobs, ask, samples)
    try:
        while workers:
            answers.update(workers.collect(None))
    except KeyboardInterrupt:
        workers.abandon()
        raise
    zones: dict[str, str] = {}
    without: dict[str, DkimctlError] = {}
    for name in names:
        zone = answers[domain_of(name)]
        try:
            if isinstance(zone, DkimctlError):
                raise zone
            refuse_below_cut(name, zone, in_dns.get(domain_of(name), ""))
            zones[name] = zone
        except DkimctlError as error:
            without[name] = error
    return _grouped(zones), without


def domain_of(name: str) -> str:
    """Return the domain of a key record's owner name."""
    return split_owner_name(name)[1]


def _grouped(zones: Mapping[str, str], *, is_likely: bool = False) -> list[ZoneGroup]:
    groups: dict[str, list[str]] = {}
    for name, zone in zones.items():
        groups.setdefault(zone, []).append(name)
    return [ZoneGroup(zone, tuple(names), is_likely) for zone, names in groups.items()]


def _likely(names: Iterable[str], lookup: Lookup) -> dict[str, str]:
    """Return domain → its zone in DNS, where there is one."""
    from dkimctl.verify.zones import zones_in_dns

    return zones_in_dns(dict.fromkeys(map(domain_of, names)), lookup)
