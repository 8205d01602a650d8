"""Checks of Postfix's milters: does all incoming mail pass the daemon, once, and after other milters?"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from dkimctl.catalogue import postfix as c
from dkimctl.config.settings import Signing
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.doctor.commands import chain, dkimctl, edit
from dkimctl.doctor.mail_routes import LISTS, MailRoute, mail_routes
from dkimctl.doctor.milter_socket import (
    check_chroot,
    check_loopback,
    check_permission,
    chrooted_services,
    is_in_queue,
    move_into_chroot,
)
from dkimctl.doctor.start import without_option
from dkimctl.errors import UsageError, shell_word
from dkimctl.findings import Severity
from dkimctl.host.sent_macros import tells
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.postfix.actions import known_actions
from dkimctl.postfix.lists import list_items
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.signers.registry import signer_of

_OWN_ACTION = re.compile(r"(default_action\s*=\s*)(\w+)")
_PROTOCOLS = ("2", "3", "4", "6")
"""The versions that Postfix speaks."""


def check_milters(world: World) -> Iterator[Diagnosis]:
    """Check Postfix's milter lists, and its access to the socket."""
    if not world.postfix and not any(u.what == world.settings.paths.postfix_directory for u in world.unread):
        yield diagnosis(
            c.NO_POSTFIX, "Postfix", f"no main.cf in {world.settings.paths.postfix_directory}, or no postconf"
        )
    for route in mail_routes(world):
        yield from _lists(route)
        yield from _asked(route)
        yield from _local(route)
        yield from check_chroot(route)
        yield from check_loopback(route)
        if signer_of(world.settings).explains:
            yield from check_permission(route)
        yield from _failure_action(route)
        yield from _kept_away(route)
        yield from _authenticated(route)
        yield from _small_things(route)


def _lists(route: MailRoute) -> Iterator[Diagnosis]:
    """Check the spelling, order and duplicates of each list."""
    values = route.instance.values
    for name in LISTS:
        value = values[name]
        if name != LISTS[0] and value == values[LISTS[0]]:
            continue  # `$smtpd_milters`, as a rule: reported before
        milters = split_milters(value)
        seen = f"{route.main_cf}: {name} = {value}"
        for milter in milters:
            if milter_socket(milter, route.instance.queue) is None and milter != "no":
                fix = route.set_milters(name, (route.spelling if m == milter else m for m in milters))
                yield diagnosis(c.BAD_MILTER, name, f"{seen}: {milter}", fix)
        ours = [milter for milter in milters if route.is_daemon(milter)]
        others = [milter for milter in milters if milter not in ours]
        if len(ours) > 1:
            yield diagnosis(c.TWICE_IN_LIST, name, seen, route.set_milters(name, [*others, ours[0]]))
        elif ours and milters[-1] != ours[0]:
            yield diagnosis(c.NOT_LAST, name, seen, route.set_milters(name, [*others, *ours]))


def _asked(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that mail from SMTP reaches the daemon at every service."""
    value = route.instance.values["smtpd_milters"]
    services = route.smtpd_services() or list(route.instance.services_of("smtpd"))
    if not services:
        return  # no mail comes in over SMTP
    signing = [
        s
        for s in route.instance.services_of("smtpd")
        if route.includes_daemon(route.instance.effective(s, "smtpd_milters"))
    ]
    for smtpd in services:
        own = smtpd.overrides.get("smtpd_milters")
        hidden = own is not None and not route.includes_daemon(own) and route.includes_daemon(value)
        closed = "no_milters" in smtpd.overrides.get("receive_override_options", "")
        if (route.filter_of(smtpd) and route.is_signed_on_return(smtpd)) or route.is_inbound(smtpd):
            continue
        if hidden or (closed and route.includes_daemon(route.instance.effective(smtpd, "smtpd_milters"))):
            name = "smtpd_milters" if hidden else "receive_override_options"
            seen = f"{route.instance.directory}/master.cf: {smtpd.place} has -o {name}={smtpd.overrides[name]}"
            option, setting = ("-PX", f"{smtpd.place}/{name}") if hidden else ("-P", route.without_no_milters(smtpd))
            yield diagnosis(c.OVERRIDE, smtpd.place, seen, f"{route.postconf} {option} {shell_word(setting)}")
    if signing or any("smtpd_milters" in smtpd.overrides and route.includes_daemon(value) for smtpd in services):
        return
    misdirected = [
        m for m in split_milters(value) if names_opendkim(m, route.instance.queue, ()) or _is_same_port(route, m)
    ]
    entry = c.OTHER_SOCKET if misdirected else c.NOT_ASKED
    queue = route.instance.queue  # what Postfix cannot use has a finding of its own, and is not kept
    others = [m for m in split_milters(value) if m not in misdirected and milter_socket(m, queue) is not None]
    seen = f"{route.main_cf}: smtpd_milters = {value or '(empty)'}; the daemon listens at {route.socket}"
    fix = _one_socket(route) or route.set_milters("smtpd_milters", [*others, route.spelling])
    yield diagnosis(entry, "smtpd_milters", seen, fix)


def _is_same_port(route: MailRoute, milter: str) -> bool:
    """Return True for a milter at the daemon's port under another host name: the daemon, misspelled."""
    socket = milter_socket(milter, route.instance.queue)
    return socket is not None and not socket.is_unix and not route.socket.is_unix and socket.port == route.socket.port


def _one_socket(route: MailRoute) -> str:
    """Return the command of another finding about the same two sockets; empty when there is none.

    Two different commands, pasted one after the other, would undo each other.
    """
    option = route.world.opendkim.service.option("Socket")
    written = route.world.opendkim.conf.find("Socket") if route.world.opendkim.conf else None
    if signer_of(route.world.settings).explains and option and written:
        with suppress(UsageError):
            own = replace(route, socket=parse_socket(written.value))
            if own.includes_daemon(route.instance.values["smtpd_milters"]):
                return without_option(route.world, option)
    return (
        move_into_chroot(route) if route.socket.is_unix and not is_in_queue(route) and chrooted_services(route) else ""
    )


def _local(route: MailRoute) -> Iterator[Diagnosis]:
    value = route.instance.values["non_smtpd_milters"]
    if route.includes_daemon(value) or route.signs_local_on_return:
        return
    fix = f"{route.postconf} -e 'non_smtpd_milters = $smtpd_milters'"
    if any(map(route.would_sign_outside_mail, route.smtpd_services())):
        why = "not non_smtpd_milters: mail from outside returns by sendmail(1); have the filter return it over SMTP"
        fix = edit(route.world, f"{route.instance.directory}/master.cf", 0, why)
    yield diagnosis(
        c.LOCAL_NOT_ASKED, "non_smtpd_milters", f"{route.main_cf}: non_smtpd_milters = {value or '(empty)'}", fix
    )


def _failure_action(route: MailRoute) -> Iterator[Diagnosis]:
    action = route.instance.values["milter_default_action"]
    fix = f"{route.postconf} -e 'milter_default_action = tempfail'"
    seen = f"milter_default_action = {action}"
    milters = split_milters(route.instance.values["smtpd_milters"])
    for milter in milters:
        own = _OWN_ACTION.search(milter)
        if route.is_daemon(milter) and own:
            action, seen = own[2], f"smtpd_milters = {milter}"
            corrected = _OWN_ACTION.sub(r"\1tempfail", milter)
            fix = route.set_milters("smtpd_milters", (corrected if m == milter else m for m in milters))
    entry = {"accept": c.ACCEPTS, "reject": c.REJECTS, "quarantine": c.REJECTS}.get(action)
    if entry is None and action not in known_actions(route.instance.values["mail_version"]):
        entry = c.BAD_ACTION
    if entry:
        yield diagnosis(entry, "milter_default_action", f"{route.main_cf}: {seen}", fix)


def _kept_away(route: MailRoute) -> Iterator[Diagnosis]:
    """Check for settings that bypass all milters, for all services or for some clients."""
    name, values = "receive_override_options", route.instance.values
    is_piped = any(map(route.would_sign_outside_mail, route.smtpd_services()))  # sendmail(1) returns it: not to sign
    if "no_milters" in values[name] and route.includes_daemon(values["smtpd_milters"]):
        kept = ",".join(o for o in list_items(values[name]) if o != "no_milters")
        others = [m for m in split_milters(values["smtpd_milters"]) if not route.is_daemon(m)]
        settings = [f"{name} = {kept}", *([f"non_smtpd_milters = {', '.join(others)}"] if is_piped else [])]
        fix = chain(route.quiet_returns(others), f"{route.postconf} -e {' '.join(map(shell_word, settings))}")
        yield diagnosis(c.NO_MILTERS, name, f"{route.main_cf}: {name} = {values[name]}", fix)
    for pickup in () if is_piped else route.instance.services_of("pickup"):
        if "no_milters" in pickup.overrides.get(name, "") and route.includes_daemon(values["non_smtpd_milters"]):
            fix = f"{route.postconf} -P {shell_word(route.without_no_milters(pickup))}"
            seen = f"{route.instance.directory}/master.cf: {pickup.place} has -o {name}={pickup.overrides[name]}"
            yield diagnosis(c.NO_MILTERS, pickup.place, seen, fix)
    maps = values["smtpd_milter_maps"]
    if maps:
        yield diagnosis(c.MILTER_MAPS, "smtpd_milter_maps", f"{route.main_cf}: smtpd_milter_maps = {maps}", "")


def _authenticated(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that the daemon gets the macro for authenticated clients."""
    effective = route.instance.effective
    for smtpd in route.smtpd_services():
        macros = effective(smtpd, "milter_mail_macros")
        takes_logins = effective(smtpd, "smtpd_sasl_auth_enable") == "yes"
        if takes_logins and route.signs(smtpd) and not tells("auth_type", route.instance, smtpd):
            fix = f"{route.postconf} -X milter_mail_macros"
            if "milter_mail_macros" in smtpd.overrides:
                fix = f"{route.postconf} -PX {shell_word(f'{smtpd.place}/milter_mail_macros')}"
            yield diagnosis(c.NO_AUTH_MACRO, smtpd.place, f"{smtpd.place}: milter_mail_macros = {macros}", fix)
            return


def _faster(route: MailRoute) -> str:
    """Return the command that gives the daemon dkimctl's socket, a Unix one unless configured otherwise."""
    own = Signing().socket
    comment = "" if route.world.settings.signing.socket == own else f'with socket = "{own}" in dkimctl.toml'
    return dkimctl(route.world, "render-config --install", comment)


def _small_things(route: MailRoute) -> Iterator[Diagnosis]:
    values = route.instance.values
    protocol = values["milter_protocol"]
    if protocol.partition(" ")[0].rstrip(",") not in _PROTOCOLS:  # smtpd then answers 451 to every mail (measured)
        seen = f"{route.main_cf}: milter_protocol = {protocol}"
        found = diagnosis(c.OLD_PROTOCOL, "milter_protocol", seen, f"{route.postconf} -X milter_protocol")
        yield found if protocol in ("0", "1") else with_severity(found, Severity.ERROR)
    if not route.socket.is_unix and signer_of(route.world.settings).explains:
        yield diagnosis(c.SLOW_SOCKET, "Socket", f"Socket {route.socket}", _faster(route))
    if "bounce" not in values["internal_mail_filter_classes"] and route.includes_daemon(values["non_smtpd_milters"]):
        fix = f"{route.postconf} -e 'internal_mail_filter_classes = bounce, notify'"
        yield diagnosis(
            c.BOUNCES, "internal_mail_filter_classes", f"{route.main_cf}: internal_mail_filter_classes", fix
        )
