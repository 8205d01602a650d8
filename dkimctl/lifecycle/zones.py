"""Which zone each record goes to: as configured, else as DNS and the account say."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from dkimctl.config.settings import Lookup, Settings
from dkimctl.errors import DkimctlError
from dkimctl.names import relative_name
from dkimctl.providers.base import Provider
from dkimctl.publish.plan import Wanted

Mapper = Callable[[Callable[[str], "str | DkimctlError"], Iterable[str]], Iterable["str | DkimctlError"]]
"""`map`, or that of a pool."""


@dataclass(frozen=True, slots=True)
class ZoneGroup:
    """The wanted records of one zone."""

    zone: str
    wanted: tuple[Wanted, ...]


def group_by_zone(
    wanted: Sequence[Wanted], settings: Settings, provider: Provider, *, ask_dns: bool, mapper: Mapper = map
) -> tuple[list[ZoneGroup], list[tuple[Wanted, DkimctlError]]]:
    """The records by zone, and those for which no zone could be found.

    With `ask_dns` the zone cut that DNS shows is tried first: one call for a zone, however many domains are in it.
    """
    domains = list(dict.fromkeys(one.domain for one in wanted))
    configured = {name: zone for name in domains if (zone := settings.domain(name).zone)}
    open_ones = [one for one in wanted if one.domain not in configured]
    likely = _zones_in_dns(open_ones, settings.lookup) if ask_dns and open_ones else {}
    zones: dict[str, str | DkimctlError] = {}
    zones |= {name: _checked(name, zone) for name, zone in configured.items()}
    zones |= _confirmed({n: likely[n] for n in domains if n in likely}, provider, mapper)
    left = [name for name in domains if name not in zones]
    zones |= dict(zip(left, mapper(_asking(provider), left), strict=True))
    return _grouped(wanted, zones)


def _checked(domain: str, zone: str) -> "str | DkimctlError":
    try:
        relative_name(domain, zone)
    except DkimctlError as error:
        return error
    return zone


def _zones_in_dns(wanted: Sequence[Wanted], lookup: Lookup) -> dict[str, str]:
    """Domain → the zone that DNS shows, where it shows one."""
    from dkimctl.verify.check import check
    from dkimctl.verify.report import Target

    first = {one.domain: one for one in reversed(wanted)}
    found = check([Target(one.selector, one.domain) for one in first.values()], lookup)
    return {report.domain: report.zone for report in found if "." in report.zone}


def _confirmed(likely: Mapping[str, str], provider: Provider, mapper: Mapper) -> dict[str, "str | DkimctlError"]:
    """The domains whose zone in DNS is one of the account as well."""
    distinct = list(dict.fromkeys(likely.values()))
    answers = dict(zip(distinct, mapper(_asking(provider), distinct), strict=True))
    return {domain: zone for domain, zone in likely.items() if answers[zone] == zone}


def _asking(provider: Provider) -> Callable[[str], "str | DkimctlError"]:
    def ask(name: str) -> str | DkimctlError:
        try:
            return provider.zone_of(name)
        except DkimctlError as error:
            return error

    return ask


def _grouped(
    wanted: Sequence[Wanted], zones: Mapping[str, "str | DkimctlError"]
) -> tuple[list[ZoneGroup], list[tuple[Wanted, DkimctlError]]]:
    groups: dict[str, list[Wanted]] = {}
    homeless: list[tuple[Wanted, DkimctlError]] = []
    for one in wanted:
        zone = zones[one.domain]
        if isinstance(zone, DkimctlError):
            homeless.append((one, zone))
        else:
            groups.setdefault(zone, []).append(one)
    return [ZoneGroup(zone, tuple(names)) for zone, names in groups.items()], homeless
