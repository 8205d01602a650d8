"""Which zone each key's record goes to: as configured, else as DNS and the account say."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import DkimctlError
from dkimctl.keys.store import Key
from dkimctl.names import relative_name, split_owner_name
from dkimctl.providers.base import Provider

Mapper = Callable[[Callable[[str], "str | DkimctlError"], Iterable[str]], Iterable["str | DkimctlError"]]
"""`map`, or that of a pool."""


@dataclass(frozen=True, slots=True)
class ZoneGroup:
    """The names of one zone, each with its key."""

    zone: str
    keys: Mapping[str, Key]
    is_likely: bool = False
    """DNS says so; whether the account has this zone is still to be asked."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Names sorted by what is known of their zones."""

    groups: tuple[ZoneGroup, ...]
    rest: Mapping[str, Key]
    """Those of which nothing is known."""
    misfits: Mapping[str, DkimctlError]
    """Those that are not in the zone that is configured for them."""


def sort_by_zone(keys: Mapping[str, Key], settings: Settings, *, ask_dns: bool) -> Sorted:
    """Groups for the names whose zone is configured or, with `ask_dns`, shows in DNS; the account is not asked."""
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
    groups = [*_grouped(keys, zones), *_grouped(keys, in_dns, is_likely=True)]
    rest = {name: keys[name] for name in open_names if name not in in_dns}
    return Sorted(tuple(groups), rest, misfits)


def locate(
    keys: Mapping[str, Key], provider: Provider, mapper: Mapper = map
) -> tuple[list[ZoneGroup], dict[str, DkimctlError]]:
    """The same by asking the account for each domain; with the names for which it has no zone."""
    homes = list(dict.fromkeys(home_of(name) for name in keys))
    answers = dict(zip(homes, mapper(_asking(provider), homes), strict=True))
    zones: dict[str, str] = {}
    homeless: dict[str, DkimctlError] = {}
    for name in keys:
        answer = answers[home_of(name)]
        if isinstance(answer, DkimctlError):
            homeless[name] = answer
        else:
            zones[name] = answer
    return _grouped(keys, zones), homeless


def home_of(name: str) -> str:
    """The domain below which a key record's name lies."""
    return split_owner_name(name)[1]


def _grouped(keys: Mapping[str, Key], zones: Mapping[str, str], *, is_likely: bool = False) -> list[ZoneGroup]:
    groups: dict[str, dict[str, Key]] = {}
    for name, zone in zones.items():
        groups.setdefault(zone, {})[name] = keys[name]
    return [ZoneGroup(zone, names, is_likely) for zone, names in groups.items()]


def _likely(names: Sequence[str], lookup: Lookup) -> dict[str, str]:
    """Domain → the zone that DNS shows, where it shows one."""
    from dkimctl.verify.zones import zones_in_dns

    return zones_in_dns(dict.fromkeys(map(home_of, names)), lookup)


def _asking(provider: Provider) -> Callable[[str], "str | DkimctlError"]:
    def ask(name: str) -> str | DkimctlError:
        try:
            return provider.zone_of(name)
        except DkimctlError as error:
            return error

    return ask
