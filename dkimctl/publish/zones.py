"""Which zone each key's record goes to: as configured, else as DNS and the account say."""

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
    """DNS says so; whether the account has this zone is still to be asked."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Owner names sorted by what is known of their zones."""

    groups: tuple[ZoneGroup, ...]
    rest: Sequence[str]
    """Those of which nothing is known."""
    outside: Mapping[str, DkimctlError]
    """Those that are not in the zone that is configured for them, or are below a cut in it."""
    in_dns: Mapping[str, str]
    """Domain → the zone that DNS shows for its key records, where it shows one."""


def sort_by_zone(keys: Mapping[str, KeyName], settings: Settings, *, ask_dns: bool) -> Sorted:
    """Groups for the owner names whose zone is configured or, with `ask_dns`, shows in DNS; the account is not asked.

    `keys`: owner name → the key whose record is to stand there.
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
            refuse_below_cut(name, zone, likely.get(home_of(name), ""))
            zones[name] = zone
        except DkimctlError as error:
            outside[name] = error
    open_names = [name for name in keys if name not in zones and name not in outside]
    in_dns = {name: zone for name in open_names if (zone := likely.get(home_of(name)))}
    groups = [*_grouped(zones), *_grouped(in_dns, is_likely=True)]
    return Sorted(tuple(groups), [name for name in open_names if name not in in_dns], outside, likely)


def refuse_below_cut(name: str, zone: str, in_dns: str) -> None:
    """Raise Refused where DNS shows a zone of its own between `zone` and the name: nobody would see a record there."""
    if in_dns.endswith(f".{zone}"):
        raise Refused(
            f"in DNS {in_dns} is a zone of its own: what is published in {zone} at {name} is not seen",
            hint=f'publish it where {in_dns} is kept: [domains."{home_of(name)}"] zone = "{in_dns}", '
            f"with its provider; or remove its NS records from {zone}",
        )


def locate(
    names: Sequence[str], provider: Provider, jobs: int, in_dns: Mapping[str, str]
) -> tuple[list[ZoneGroup], dict[str, DkimctlError]]:
    """Return the same by asking the account for each domain, so many at a time, and an error for each other name.

    `in_dns`: domain → the zone that DNS shows.
    """
    samples = {home_of(name): name for name in names}

    def ask(home: str) -> str | DkimctlError:
        try:
            return provider.zone_of(samples[home])
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
        zone = answers[home_of(name)]
        try:
            if isinstance(zone, DkimctlError):
                raise zone
            refuse_below_cut(name, zone, in_dns.get(home_of(name), ""))
            zones[name] = zone
        except DkimctlError as error:
            without[name] = error
    return _grouped(zones), without


def home_of(name: str) -> str:
    """The domain below which a key record's name lies."""
    return split_owner_name(name)[1]


def _grouped(zones: Mapping[str, str], *, is_likely: bool = False) -> list[ZoneGroup]:
    groups: dict[str, list[str]] = {}
    for name, zone in zones.items():
        groups.setdefault(zone, []).append(name)
    return [ZoneGroup(zone, tuple(names), is_likely) for zone, names in groups.items()]


def _likely(names: Iterable[str], lookup: Lookup) -> dict[str, str]:
    """Domain → the zone that DNS shows, where it shows one."""
    from dkimctl.verify.zones import zones_in_dns

    return zones_in_dns(dict.fromkeys(map(home_of, names)), lookup)
