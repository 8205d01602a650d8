"""What happens to mail after it was signed: content filters, rewriting, a second signature."""

import shlex
from collections.abc import Iterator

from dkimctl.host.catalogue import postfix as c
from dkimctl.host.doctor.base import Diagnosis, noticed
from dkimctl.host.doctor.commands import edit
from dkimctl.host.doctor.milters import Way, ways
from dkimctl.host.postfix import Service
from dkimctl.host.world import World

_REWRITING = (
    "smtp_generic_maps",
    "smtp_header_checks",
    "smtp_mime_header_checks",
    "smtp_nested_header_checks",
    "smtp_body_checks",
)


def check_filters(world: World) -> Iterator[Diagnosis]:
    """Everything about what comes after the daemon."""
    for way in ways(world):
        yield from _content_filter(way)
        yield from _rewriting(way)


def _content_filter(way: Way) -> Iterator[Diagnosis]:
    filtered = [door for door in way.doors() if _filter(way, door)]
    signed_before = [d for d in filtered if _signs(way, d) and not way.instance.effective(d, "smtpd_proxy_filter")]
    back = [s for s in way.instance.services_of("smtpd") if s.kind == "inet" and s.is_loopback and _signs(way, s)]
    if not signed_before:
        return
    door = signed_before[0]
    seen = f"{door.place} signs and has content_filter={_filter(way, door)}"
    if back:
        fix = f"{way.postconf} -P '{back[0].place}/receive_override_options=no_milters,no_unknown_recipient_checks'"
        yield noticed(c.SIGNS_TWICE, back[0].place, f"{seen}; mail comes back at {back[0].place}, which signs too", fix)
    else:
        fix = _sign_later(way, door)
        yield noticed(c.FILTERED_AFTER, door.place, seen, fix)


def _sign_later(way: Way, door: Service) -> str:
    """Move the signing from a door to the way back in from its filter, where master.cf has one."""
    returns = [s for s in way.instance.services_of("smtpd") if s.kind == "inet" and s.is_loopback]
    if len(returns) != 1:
        return edit(way.world, f"{way.instance.directory}/master.cf", 0, "sign where mail comes back from the filter")
    back = returns[0]
    options = [word for word in _options(way, back) if word != "no_milters"]
    settings = [f"{door.place}/smtpd_milters=", f"{back.place}/smtpd_milters={way.spelling}"]
    if options != _options(way, back):
        settings.append(f"{back.place}/receive_override_options={','.join(options)}")
    return f"{way.postconf} -P {' '.join(map(shlex.quote, settings))}"


def _options(way: Way, service: Service) -> list[str]:
    return way.instance.effective(service, "receive_override_options").replace(",", " ").split()


def _filter(way: Way, service: Service) -> str:
    value = way.instance.effective(service, "content_filter") or way.instance.effective(service, "smtpd_proxy_filter")
    return "" if value.endswith((":dummy", ":dummy:")) else value


def _signs(way: Way, service: Service) -> bool:
    if "no_milters" in way.instance.effective(service, "receive_override_options"):
        return False
    return way.asks(way.instance.effective(service, "smtpd_milters"))


def _rewriting(way: Way) -> Iterator[Diagnosis]:
    for name in _REWRITING:
        value = way.instance.values[name]
        if value:
            fix = edit(way.world, way.main_cf, 0, "canonical_maps and header_checks come before the milters")
            yield noticed(c.CHANGED_AFTER, name, f"{way.main_cf}: {name} = {value}", fix)
