"""Checks of changes to mail after signing: content filters, rewriting, a second signature."""

from collections.abc import Iterator

from dkimctl.catalogue import postfix as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import chain, edit
from dkimctl.doctor.mail_routes import MailRoute, mail_routes
from dkimctl.errors import shell_word
from dkimctl.findings import Severity
from dkimctl.host.postfix import Service
from dkimctl.host.world import World
from dkimctl.postfix.milters import split_milters

_REWRITING = (
    "smtp_generic_maps",
    "smtp_header_checks",
    "smtp_mime_header_checks",
    "smtp_nested_header_checks",
    "smtp_body_checks",
)


def check_filters(world: World) -> Iterator[Diagnosis]:
    """Check everything that handles mail after the daemon."""
    for route in mail_routes(world):
        yield from _content_filter(route)
        yield from _local_filter(route)
        yield from _rewriting(route)


def _content_filter(route: MailRoute) -> Iterator[Diagnosis]:
    """Check filters that run after the daemon, or keep mail from it."""
    services = [smtpd for smtpd in route.smtpd_services() if route.filter_of(smtpd)]
    exposed = [smtpd for smtpd in services if route.signs_outside_mail(smtpd)]
    if exposed:
        yield outside_mail_signed(route, exposed[0])
        return  # the advice below would be wrong after that fix
    proxied = [d for d in services if route.instance.effective(d, "smtpd_proxy_filter")]
    # a FILTER gets some mail, perhaps only other people's: whether the daemon has signed it, nobody can say
    signed = [d for d in services if route.signs(d) and d not in proxied and not route.instance.filter_action(d)]
    if signed:
        yield _filtered(route, signed[0])
    blind = [d for d in proxied if not route.is_signed_on_return(d) and not route.is_inbound(d)]
    if blind:
        seen = f"{blind[0].place} has smtpd_proxy_filter={route.filter_of(blind[0])}; returned mail is not signed"
        yield diagnosis(c.BEFORE_QUEUE, blind[0].place, seen, _move_signing(route, blind[0], is_moved=False))


def _local_filter(route: MailRoute) -> Iterator[Diagnosis]:
    """Check mail from sendmail(1) that non_smtpd_milters sign before a filter gets it."""
    if route.signs_local_on_return and route.includes_daemon(route.instance.values["non_smtpd_milters"]):
        [signing, *_] = filter(route.signs, route.return_services())
        seen = (
            f"sendmail(1): non_smtpd_milters sign, and content_filter={route.local_filter}; {signing.place} signs too"
        )
        fix = (
            f"{route.postconf} -P pickup/unix/content_filter=  # mail from this machine itself then bypasses the filter"
        )
        yield with_severity(diagnosis(c.SIGNS_TWICE, "non_smtpd_milters", seen, fix), Severity.WARNING)


def _filtered(route: MailRoute, smtpd: Service) -> Diagnosis:
    back = route.return_services(smtpd)
    seen = f"{smtpd.place} signs and has {route.filter_setting(smtpd)}"
    if not route.is_signed_on_return(smtpd):
        return diagnosis(c.FILTERED_AFTER, smtpd.place, seen, _move_signing(route, smtpd, is_moved=True))
    if not back:
        fix = f"{route.postconf} -P {shell_word(route.without_daemon(smtpd))}"
        return diagnosis(c.SIGNS_TWICE, smtpd.place, f"{seen}; mail returned by sendmail(1) is signed too", fix)
    [signing, *_] = filter(route.signs, back)
    fix = f"{route.postconf} -P {shell_word(route.without_daemon(smtpd))}"
    return diagnosis(c.SIGNS_TWICE, signing.place, f"{seen}; mail returns at {signing.place}, which signs too", fix)


def outside_mail_signed(route: MailRoute, smtpd: Service) -> Diagnosis:
    """Report the security hole, with the command that turns off signing where the mail returns."""
    back = list(filter(route.signs, route.return_services(smtpd)))
    if back and not route.is_return_certain(smtpd):
        return _perhaps_signed(route, smtpd, back[0])
    if back:
        seen = f"{smtpd.place} has {route.filter_setting(smtpd)}; {back[0].place}, where mail returns, signs"
        settings = " ".join(shell_word(route.without_daemon(service)) for service in back)
        fix = f"{route.postconf} -P {settings}"
    else:
        seen = f"{smtpd.place} has {route.filter_setting(smtpd)}, which uses sendmail(1); non_smtpd_milters sign"
        others = [m for m in split_milters(route.instance.values["non_smtpd_milters"]) if not route.is_daemon(m)]
        fix = f"{route.postconf} -e {shell_word('non_smtpd_milters = ' + ', '.join(others))}"
    if not route.includes_daemon(route.instance.values["smtpd_milters"]):
        milters = split_milters(route.instance.values["smtpd_milters"])
        fix = chain(fix, route.set_milters("smtpd_milters", (*milters, route.spelling)))
    return diagnosis(c.OUTSIDE_MAIL_SIGNED, smtpd.place, seen, fix)


def _perhaps_signed(route: MailRoute, smtpd: Service, back: Service) -> Diagnosis:
    """Report that one of several return ports signs, and that only the filter knows which one is its own."""
    seen = f"{smtpd.place} has {route.filter_setting(smtpd)}; {back.place} signs, and mail may return there"
    comment = f"have that filter return the mail where nothing signs, and not at {back.name}"
    fix = edit(route.world, f"{route.instance.directory}/master.cf", 0, comment)
    return with_severity(diagnosis(c.OUTSIDE_MAIL_SIGNED, smtpd.place, seen, fix), Severity.WARNING)


def _move_signing(route: MailRoute, smtpd: Service, *, is_moved: bool) -> str:
    """Return the command that signs where mail returns from the filter of a service.

    With `is_moved` the service itself no longer signs.
    """
    back = route.return_services(smtpd)
    if route.instance.accepts_unknown_clients(smtpd) and route.is_trusted_on_return(smtpd):
        comment = "give users a submission service with a filter and a return port of its own, and sign there"
        return edit(route.world, f"{route.instance.directory}/master.cf", 0, comment)
    if len(back) != 1 and not route.is_piped(smtpd):
        return edit(
            route.world, f"{route.instance.directory}/master.cf", 0, "sign where mail comes back from the filter"
        )
    off = [route.without_daemon(smtpd)] if is_moved else []
    if not back:
        local = f"{route.postconf} -e {shell_word(f'non_smtpd_milters = {route.spelling}')}"
        return chain(f"{route.postconf} -P {' '.join(map(shell_word, off))}" if off else "", local)
    settings = [*off, f"{back[0].place}/smtpd_milters={route.spelling}"]
    if "no_milters" in route.instance.effective(back[0], "receive_override_options"):
        settings.append(route.without_no_milters(back[0]))
    return f"{route.postconf} -P {' '.join(map(shell_word, settings))}"


def _rewriting(route: MailRoute) -> Iterator[Diagnosis]:
    for name in _REWRITING:
        value = route.instance.values[name]
        if value:
            fix = edit(route.world, route.main_cf, 0, "canonical_maps and header_checks run before the milters")
            yield diagnosis(c.CHANGED_AFTER, name, f"{route.main_cf}: {name} = {value}", fix)
        for service in route.instance.services_of("smtp"):
            own = service.overrides.get(name)
            if own and own != value:
                place = f"{route.instance.directory}/master.cf"
                fix = edit(route.world, place, 0, "canonical_maps and header_checks run before the milters")
                yield diagnosis(c.CHANGED_AFTER, service.place, f"{place}: {service.place} has -o {name}={own}", fix)
