"""Which zone each key's record goes to: as configured, else as DNS and the account say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import KeyName
from dkimctl.names import relative_name, split_owner_name
from dkimctl.providers.base import Provider
from dkimctl.publish.crew import Crew


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
    misfits: Mapping[str, DkimctlError]
    """Those that are not in the zone that is configured for them."""


def sort_by_zone(keys: Mapping[str, KeyName], settings: Settings, *, ask_dns: bool) -> Sorted:
    """Groups for the owner names whose zone is configured or, with `ask_dns`, shows in DNS; the account is not asked.

    `keys`: owner name → the key whose record is to stand there.
    """
    zones: dict[str, str] = {}
    misfits: dict[str, DkimctlError] = {}
    for name, key in keys.items():
        zone = settings.zone_for(key.domain)
        if zone is None:
            continue
        try:
            relative_name(home_of(name), zone)
            zones[name] = zone
        except DkimctlError as error:
            misfits[name] = error
    open_names = [name for name in keys if name not in zones and name not in misfits]
    likely = _likely(open_names, settings.lookup) if ask_dns and open_names else {}
    in_dns = {name: zone for name in open_names if (zone := likely.get(home_of(name)))}
    groups = [*_grouped(zones), *_grouped(in_dns, is_likely=True)]
    return Sorted(tuple(groups), [name for name in open_names if name not in in_dns], misfits)


def locate(names: Sequence[str], provider: Provider, jobs: int) -> tuple[list[ZoneGroup], dict[str, DkimctlError]]:
    """The same by asking the account for each domain, so many at a time; with the names for which it has no zone."""

    def ask(home: str) -> str | DkimctlError:
        try:
            return provider.zone_of(home)
        except DkimctlError as error:
            return error

    answers: dict[str, str | DkimctlError] = {}
    crew = Crew(jobs, ask, dict.fromkeys(map(home_of, names)))
    try:
        while crew:
            answers.update(crew.collect(None))
    except KeyboardInterrupt:
        crew.abandon()
        raise
    zones: dict[str, str] = {}
    homeless: dict[str, DkimctlError] = {}
    for name in names:
        answer = answers[home_of(name)]
        if isinstance(answer, DkimctlError):
            homeless[name] = answer
        else:
            zones[name] = answer
    return _grouped(zones), homeless


def home_of(name: str) -> str:
    """The domain below which a key record's name lies."""
    return split_owner_name(name)[1]


def _grouped(zones: Mapping[str, str], *, is_likely: bool = False) -> list[ZoneGroup]:
    groups: dict[str, list[str]] = {}
    for name, zone in zones.items():
        groups.setdefault(zone, []).append(name)
    return [ZoneGroup(zone, tuple(names), is_likely) for zone, names in groups.items()]


def _likely(names: Sequence[str], lookup: Lookup) -> dict[str, str]:
    """Domain → the zone that DNS shows, where it shows one."""
    from dkimctl.verify.zones import zones_in_dns

    return zones_in_dns(dict.fromkeys(map(home_of, names)), lookup)
