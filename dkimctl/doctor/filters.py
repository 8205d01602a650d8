"""What happens to mail after it was signed: content filters, rewriting, a second signature."""

import re
from collections.abc import Iterator

from dkimctl.catalogue import postfix as c
from dkimctl.doctor.base import Diagnosis, noticed, softened
from dkimctl.doctor.commands import chain, edit
from dkimctl.doctor.ways import Way, ways
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
    """Everything about what comes after the daemon."""
    for way in ways(world):
        yield from _content_filter(way)
        yield from _local_filter(way)
        yield from _rewriting(way)


def _content_filter(way: Way) -> Iterator[Diagnosis]:
    """A filter gets the mail after the daemon, or keeps it from the daemon."""
    doors = [door for door in way.doors() if way.filter_of(door)]
    exposed = [door for door in doors if way.lets_strangers_sign(door)]
    if exposed:
        yield _strangers_signed(way, exposed[0])
        return  # what follows would be wrong once that is fixed
    proxied = [d for d in doors if way.instance.effective(d, "smtpd_proxy_filter")]
    signed = [d for d in doors if way.signs(d) and d not in proxied]
    if signed:
        yield _filtered(way, signed[0])
    blind = [d for d in proxied if not way.is_signed_on_return(d) and not way.is_inbound(d)]
    if blind:
        seen = f"{blind[0].place} has smtpd_proxy_filter={way.filter_of(blind[0])}; where it comes back nothing signs"
        yield noticed(c.BEFORE_QUEUE, blind[0].place, seen, _sign_later(way, blind[0], is_moved=False))


def _local_filter(way: Way) -> Iterator[Diagnosis]:
    """Mail from sendmail(1), which non_smtpd_milters sign before a filter gets it."""
    if way.signs_local_on_return and way.asks(way.instance.values["non_smtpd_milters"]):
        [signing, *_] = filter(way.signs, way.returns())
        seen = f"sendmail(1): non_smtpd_milters sign, and content_filter={way.local_filter}; {signing.place} signs too"
        fix = f"{way.postconf} -P pickup/unix/content_filter=  # the filter leaves out what this machine itself sends"
        yield softened(noticed(c.SIGNS_TWICE, "non_smtpd_milters", seen, fix), Severity.WARNING)


def _filtered(way: Way, door: Service) -> Diagnosis:
    back = way.returns(door)
    seen = f"{door.place} signs and has content_filter={way.filter_of(door)}"
    if not way.is_signed_on_return(door):
        return noticed(c.FILTERED_AFTER, door.place, seen, _sign_later(way, door, is_moved=True))
    if not back:
        fix = f"{way.postconf} -P {shell_word(_unsigned(way, door))}"
        return noticed(c.SIGNS_TWICE, door.place, f"{seen}; what comes back over sendmail(1) is signed too", fix)
    [signing, *_] = filter(way.signs, back)
    fix = f"{way.postconf} -P {shell_word(_unsigned(way, door))}"
    return noticed(c.SIGNS_TWICE, signing.place, f"{seen}; mail comes back at {signing.place}, which signs too", fix)


def _strangers_signed(way: Way, door: Service) -> Diagnosis:
    """The hole, and the command that takes the signing away where the mail comes back."""
    back = list(filter(way.signs, way.returns(door)))
    if back:
        seen = f"{door.place} has {way.filter_of(door)} as its filter; {back[0].place}, where mail comes back, signs"
        settings = " ".join(shell_word(_unsigned(way, service)) for service in back)
        fix = f"{way.postconf} -P {settings}"
    else:
        seen = f"{door.place} has {way.filter_of(door)} as its filter, which uses sendmail(1); non_smtpd_milters sign"
        others = [m for m in split_milters(way.instance.values["non_smtpd_milters"]) if not way.is_ours(m)]
        fix = f"{way.postconf} -e {shell_word('non_smtpd_milters = ' + ', '.join(others))}"
    if not way.asks(way.instance.values["smtpd_milters"]):
        milters = split_milters(way.instance.values["smtpd_milters"])
        fix = chain(fix, way.listing("smtpd_milters", (*milters, way.spelling)))
    return noticed(c.OUTSIDE_MAIL_SIGNED, door.place, seen, fix)


def _sign_later(way: Way, door: Service, *, is_moved: bool) -> str:
    """Sign at the way back in from a door's filter, and where the signing is moved no longer at the door."""
    back = way.returns(door)
    if way.instance.accepts_unknown_clients(door) and way.trusts_loopback:
        words = "give users a submission service with a filter and a return port of its own, and sign there"
        return edit(way.world, f"{way.instance.directory}/master.cf", 0, words)
    if len(back) != 1 and not way.is_piped(door):
        return edit(way.world, f"{way.instance.directory}/master.cf", 0, "sign where mail comes back from the filter")
    off = [_unsigned(way, door)] if is_moved else []
    if not back:
        local = f"{way.postconf} -e {shell_word(f'non_smtpd_milters = {way.spelling}')}"
        return chain(f"{way.postconf} -P {' '.join(map(shell_word, off))}" if off else "", local)
    settings = [*off, f"{back[0].place}/smtpd_milters={way.spelling}"]
    if "no_milters" in way.instance.effective(back[0], "receive_override_options"):
        settings.append(way.admitting(back[0]))
    return f"{way.postconf} -P {' '.join(map(shell_word, settings))}"


def _unsigned(way: Way, door: Service) -> str:
    """The setting of a door, for `postconf -P`, with which the daemon is not asked; other milters still are."""
    others = (m for m in split_milters(way.instance.effective(door, "smtpd_milters")) if not way.is_ours(m))
    return f"{door.place}/smtpd_milters={','.join(map(_dense, others))}"


def _dense(milter: str) -> str:
    """A milter with settings of its own, `{ PLACE, name = value }`, without blanks: `postconf -P` takes none."""
    if not milter.startswith("{"):
        return milter
    return "{" + ",".join(re.sub(r"\s*=\s*", "=", milter.strip("{} \t")).replace(",", " ").split()) + "}"


def _rewriting(way: Way) -> Iterator[Diagnosis]:
    for name in _REWRITING:
        value = way.instance.values[name]
        if value:
            fix = edit(way.world, way.main_cf, 0, "canonical_maps and header_checks come before the milters")
            yield noticed(c.CHANGED_AFTER, name, f"{way.main_cf}: {name} = {value}", fix)
        for service in way.instance.services_of("smtp"):
            own = service.overrides.get(name)
            if own and own != value:
                place = f"{way.instance.directory}/master.cf"
                fix = edit(way.world, place, 0, "canonical_maps and header_checks come before the milters")
                yield noticed(c.CHANGED_AFTER, service.place, f"{place}: {service.place} has -o {name}={own}", fix)
