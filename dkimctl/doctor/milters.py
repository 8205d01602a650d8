"""Checks of Postfix: does all incoming mail pass the daemon, once, after other milters, and can Postfix connect?"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from dkimctl.catalogue import machine
from dkimctl.catalogue import postfix as c
from dkimctl.config.settings import Signing
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain, dkimctl, edit, service, set_parameter
from dkimctl.doctor.mail_routes import LISTS, MailRoute, mail_routes
from dkimctl.doctor.start import make_socket_directory, without_option
from dkimctl.errors import UsageError, shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.socketplace import SYSTEMD_UMASK, may_connect, predicted
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.signers.registry import signer_of

_OWN_ACTION = re.compile(r"(default_action\s*=\s*)(\w+)")
_UNPRIVILEGED = Account("unprivileged", -2, -2)
"""A user without files and groups."""


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
        yield from _chroot(route)
        if signer_of(world.settings).explains:
            yield from _permission(route)
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
    others = [m for m in split_milters(value) if m not in misdirected]
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
    return _reachable(route) if route.socket.is_unix and not _is_inside(route) and _chrooted(route) else ""


def _local(route: MailRoute) -> Iterator[Diagnosis]:
    value = route.instance.values["non_smtpd_milters"]
    if route.includes_daemon(value) or route.signs_local_on_return:
        return
    fix = f"{route.postconf} -e 'non_smtpd_milters = $smtpd_milters'"
    yield diagnosis(
        c.LOCAL_NOT_ASKED, "non_smtpd_milters", f"{route.main_cf}: non_smtpd_milters = {value or '(empty)'}", fix
    )


def _chroot(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that a chrooted service can reach the socket."""
    chrooted = _chrooted(route)
    if not chrooted:
        return
    named = chrooted[0]
    if route.socket.is_unix:
        inside = _is_inside(route)
        absolute = [
            m for m in split_milters(route.instance.values["smtpd_milters"]) if f":{route.instance.queue}/" in m
        ]
        if not inside or absolute:
            seen = f"{route.socket}; {named} is chrooted to {route.instance.queue}"
            fix = _spelt(route) if inside else _reachable(route)
            yield diagnosis(c.OUTSIDE_CHROOT, route.socket.path, seen, fix)
        return
    # Debian fills the chroot when Postfix starts: it is not checked in a tree where Postfix never ran
    if not (route.world.is_live or os.path.isdir(route.world.at(f"{route.instance.queue}/etc"))):
        return
    for milter in split_milters(route.instance.values["smtpd_milters"]):
        if route.is_daemon(milter) and not _resolves_in_chroot(route, milter):
            seen = f"{milter}; {named} is chrooted, and neither etc/hosts nor etc/resolv.conf there knows the name"
            address = "write its address, or add the name to etc/hosts of the chroot"
            fix = _spelt(route) if "localhost" in milter else edit(route.world, route.main_cf, 0, address)
            yield diagnosis(c.NO_HOSTS_IN_CHROOT, milter, seen, fix)


def _resolves_in_chroot(route: MailRoute, milter: str) -> bool:
    """Check that a chrooted service can find the address of a milter's host."""
    socket = milter_socket(milter, route.instance.queue)
    if socket is None or ":" in socket.host or socket.host.replace(".", "").isdecimal():
        return True
    place = f"{route.instance.queue}/etc"
    hosts = read_file(route.world.at(f"{place}/hosts")) or b""
    names = {word for line in hosts.decode("utf-8", "replace").splitlines() for word in line.split("#")[0].split()[1:]}
    if socket.host in names:
        return True
    # localhost is never asked of a resolver
    return socket.host != "localhost" and os.path.exists(route.world.at(f"{place}/resolv.conf"))


def _chrooted(route: MailRoute) -> list[str]:
    """Return the chrooted services that connect to milters."""
    return sorted({s.place for s in route.instance.services if s.command in ("smtpd", "cleanup") and s.is_chrooted})


def _is_inside(route: MailRoute) -> bool:
    return route.socket.path.startswith(route.instance.queue + "/")


def _reachable(route: MailRoute) -> str:
    """Return the command that moves the socket into the chroot; for several instances, to TCP."""
    if len(route.world.postfix) == 1:
        return dkimctl(route.world, "render-config --install")
    comment = "one socket for every chroot: then run doctor again, and set the same socket in dkimctl.toml"
    return dkimctl(route.world, "render-config --install --socket inet:8891@localhost", comment)


def _spelt(route: MailRoute) -> str:
    """Return the command that corrects the daemon's name in the list and keeps the other milters."""
    milters = split_milters(route.instance.values["smtpd_milters"])
    return route.set_milters("smtpd_milters", (route.spelling if route.is_daemon(m) else m for m in milters))


def _permission(route: MailRoute) -> Iterator[Diagnosis]:
    world, daemon = route.world, route.world.account
    client = world.accounts.account(route.instance.values["mail_owner"])
    if not route.socket.is_unix or daemon is None or client is None:
        return
    directory = route.socket.path.rpartition("/")[0]
    make = make_socket_directory(world, daemon, directory, world.accounts.group_name(client.gid))
    fix = make  # `dkimctl render-config`, when the directory also serves others
    if not make.startswith("dkimctl"):
        mask = "" if world.opendkim.number("UMask", SYSTEMD_UMASK) == 0o007 else set_parameter(world, "UMask", "007")
        fix = chain(make, mask, service(world, "restart"))
    try:
        denial = may_connect(world, route.socket, client, daemon)
        mode, _ = predicted(world, route.socket, daemon)
        is_open = may_connect(world, route.socket, _UNPRIVILEGED, daemon) is None
    except OSError as error:
        if world.is_live and error.errno != 2:
            yield diagnosis(machine.UNREAD, directory, f"{directory}: {error.strerror}".lower())
        return
    if denial:
        seen = f"{denial.node} is {denial.mode:04o} {denial.owner}; Postfix connects as {client.name}"
        yield diagnosis(c.SOCKET_DENIED, denial.node, seen, fix)
    elif is_open:
        yield diagnosis(c.OPEN_SOCKET, route.socket.path, f"{route.socket.path} gets {mode:04o} (UMask)", fix)
    members = world.accounts.by_gid.get(daemon.gid)
    if members and client.name in members.members and daemon.gid != client.gid:
        tree = "" if world.is_live else f"--root {shell_word(world.root)} "
        fix = chain(fix, f"gpasswd {tree}-d {client.name} {members.name}")
        yield diagnosis(c.SHARED_GROUP, members.name, f"group {members.name} has {', '.join(members.members)}", fix)


def _failure_action(route: MailRoute) -> Iterator[Diagnosis]:
    action = route.instance.values["milter_default_action"]
    fix = f"{route.postconf} -e 'milter_default_action = tempfail'"
    milters = split_milters(route.instance.values["smtpd_milters"])
    for milter in milters:
        own = _OWN_ACTION.search(milter)
        if route.is_daemon(milter) and own:
            action = own[2]
            corrected = _OWN_ACTION.sub(r"\1tempfail", milter)
            fix = route.set_milters("smtpd_milters", (corrected if m == milter else m for m in milters))
    entry = {"accept": c.ACCEPTS, "reject": c.REJECTS, "quarantine": c.REJECTS}.get(action)
    if entry is None and action not in _known_actions(route):
        entry = c.BAD_ACTION
    if entry:
        yield diagnosis(entry, "milter_default_action", f"{route.main_cf}: milter_default_action = {action}", fix)


def _known_actions(route: MailRoute) -> tuple[str, ...]:
    """Return the actions of this version of Postfix: `shutdown` was added in 3.10 and 3.7.20."""
    numbers = [int(part) for part in route.instance.values["mail_version"].split(".") if part.isdecimal()]
    is_new = numbers >= [3, 10] or [3, 7, 20] <= numbers < [3, 8]
    return ("accept", "reject", "tempfail", "quarantine", *(("shutdown",) if is_new else ()))


def _kept_away(route: MailRoute) -> Iterator[Diagnosis]:
    """Check for settings that bypass all milters, for all services or for some clients."""
    name, values = "receive_override_options", route.instance.values
    if "no_milters" in values[name] and route.includes_daemon(values["smtpd_milters"]):
        kept = ",".join(o for o in values[name].replace(",", " ").split() if o != "no_milters")
        fix = f"{route.postconf} -e {shell_word(f'{name} = {kept}')}"
        yield diagnosis(c.NO_MILTERS, name, f"{route.main_cf}: {name} = {values[name]}", fix)
    for pickup in route.instance.services_of("pickup"):
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
        if takes_logins and route.signs(smtpd) and "auth_type" not in macros:
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
    if protocol.isdecimal() and int(protocol) < 2:
        seen = f"{route.main_cf}: milter_protocol = {protocol}"
        yield diagnosis(c.OLD_PROTOCOL, "milter_protocol", seen, f"{route.postconf} -X milter_protocol")
    if not route.socket.is_unix and signer_of(route.world.settings).explains:
        yield diagnosis(c.SLOW_SOCKET, "Socket", f"Socket {route.socket}", _faster(route))
    if "bounce" not in values["internal_mail_filter_classes"] and route.includes_daemon(values["non_smtpd_milters"]):
        fix = f"{route.postconf} -e 'internal_mail_filter_classes = bounce, notify'"
        yield diagnosis(
            c.BOUNCES, "internal_mail_filter_classes", f"{route.main_cf}: internal_mail_filter_classes", fix
        )
