"""Postfix's side: does every way in lead to the daemon, once, last, and can Postfix connect?"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from dkimctl.catalogue import machine
from dkimctl.catalogue import postfix as c
from dkimctl.config.settings import Signing
from dkimctl.doctor.base import Diagnosis, noticed
from dkimctl.doctor.commands import chain, dkimctl, edit, service, set_parameter
from dkimctl.doctor.start import make_socket_directory, without_option
from dkimctl.doctor.ways import LISTS, Way, ways
from dkimctl.errors import UsageError, shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.socketplace import SYSTEMD_UMASK, may_connect, predicted
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.signers.registry import signer_of

_OWN_ACTION = re.compile(r"(default_action\s*=\s*)(\w+)")
_STRANGER = Account("anybody", -2, -2)
"""Somebody who owns nothing and is in no group."""


def check_milters(world: World) -> Iterator[Diagnosis]:
    """Everything about Postfix's lists of milters and the socket from its side."""
    if not world.postfix and not any(u.what == world.settings.paths.postfix_directory for u in world.unread):
        yield noticed(
            c.NO_POSTFIX, "Postfix", f"no main.cf in {world.settings.paths.postfix_directory}, or no postconf"
        )
    for way in ways(world):
        yield from _lists(way)
        yield from _asked(way)
        yield from _local(way)
        yield from _chroot(way)
        if signer_of(world.settings).explains:
            yield from _permission(way)
        yield from _failure_action(way)
        yield from _kept_away(way)
        yield from _authenticated(way)
        yield from _small_things(way)


def _lists(way: Way) -> Iterator[Diagnosis]:
    """Each list by itself: spelling, order, repeats."""
    values = way.instance.values
    for name in LISTS:
        value = values[name]
        if name != LISTS[0] and value == values[LISTS[0]]:
            continue  # `$smtpd_milters`, as a rule: told already
        milters = split_milters(value)
        seen = f"{way.main_cf}: {name} = {value}"
        for milter in milters:
            if milter_socket(milter, way.instance.queue) is None and milter != "no":
                fix = way.listing(name, (way.spelling if m == milter else m for m in milters))
                yield noticed(c.BAD_MILTER, name, f"{seen}: {milter}", fix)
        ours = [milter for milter in milters if way.is_ours(milter)]
        others = [milter for milter in milters if milter not in ours]
        if len(ours) > 1:
            yield noticed(c.TWICE_IN_LIST, name, seen, way.listing(name, [*others, ours[0]]))
        elif ours and milters[-1] != ours[0]:
            yield noticed(c.NOT_LAST, name, seen, way.listing(name, [*others, *ours]))


def _asked(way: Way) -> Iterator[Diagnosis]:
    """Does mail from SMTP reach the daemon, at every service?"""
    value = way.instance.values["smtpd_milters"]
    doors = way.doors() or list(way.instance.services_of("smtpd"))
    if not doors:
        return  # nothing comes in by SMTP
    signing = [s for s in way.instance.services_of("smtpd") if way.asks(way.instance.effective(s, "smtpd_milters"))]
    for door in doors:
        own = door.overrides.get("smtpd_milters")
        hidden = own is not None and not way.asks(own) and way.asks(value)
        closed = "no_milters" in door.overrides.get("receive_override_options", "")
        if (way.filter_of(door) and way.is_signed_on_return(door)) or way.is_inbound(door):
            continue
        if hidden or (closed and way.asks(way.instance.effective(door, "smtpd_milters"))):
            name = "smtpd_milters" if hidden else "receive_override_options"
            seen = f"{way.instance.directory}/master.cf: {door.place} has -o {name}={door.overrides[name]}"
            option, setting = ("-PX", f"{door.place}/{name}") if hidden else ("-P", way.admitting(door))
            yield noticed(c.OVERRIDE, door.place, seen, f"{way.postconf} {option} {shell_word(setting)}")
    if signing or any("smtpd_milters" in door.overrides and way.asks(value) for door in doors):
        return
    strays = [m for m in split_milters(value) if names_opendkim(m, way.instance.queue, ()) or _is_same_port(way, m)]
    entry = c.OTHER_SOCKET if strays else c.NOT_ASKED
    others = [m for m in split_milters(value) if m not in strays]
    seen = f"{way.main_cf}: smtpd_milters = {value or '(empty)'}; the daemon listens at {way.socket}"
    fix = _one_socket(way) or way.listing("smtpd_milters", [*others, way.spelling])
    yield noticed(entry, "smtpd_milters", seen, fix)


def _is_same_port(way: Way, milter: str) -> bool:
    """True for a milter at the daemon's port under another host name: the daemon, misspelt."""
    socket = milter_socket(milter, way.instance.queue)
    return socket is not None and not socket.is_unix and not way.socket.is_unix and socket.port == way.socket.port


def _one_socket(way: Way) -> str:
    """The command that another finding has for the same two sockets; empty when there is none.

    Pasted one after the other, each command would otherwise undo what the other one did.
    """
    option = way.world.opendkim.service.option("Socket")
    written = way.world.opendkim.conf.find("Socket") if way.world.opendkim.conf else None
    if signer_of(way.world.settings).explains and option and written:
        with suppress(UsageError):
            own = replace(way, socket=parse_socket(written.value))
            if own.asks(way.instance.values["smtpd_milters"]):
                return without_option(way.world, option)
    return _reachable(way) if way.socket.is_unix and not _is_inside(way) and _chrooted(way) else ""


def _local(way: Way) -> Iterator[Diagnosis]:
    value = way.instance.values["non_smtpd_milters"]
    if way.asks(value) or way.signs_local_on_return:
        return
    fix = f"{way.postconf} -e 'non_smtpd_milters = $smtpd_milters'"
    yield noticed(
        c.LOCAL_NOT_ASKED, "non_smtpd_milters", f"{way.main_cf}: non_smtpd_milters = {value or '(empty)'}", fix
    )


def _chroot(way: Way) -> Iterator[Diagnosis]:
    """What a chrooted service can see of the socket."""
    chrooted = _chrooted(way)
    if not chrooted:
        return
    named = chrooted[0]
    if way.socket.is_unix:
        inside = _is_inside(way)
        absolute = [m for m in split_milters(way.instance.values["smtpd_milters"]) if f":{way.instance.queue}/" in m]
        if not inside or absolute:
            seen = f"{way.socket}; {named} is chrooted to {way.instance.queue}"
            fix = _spelt(way) if inside else _reachable(way)
            yield noticed(c.OUTSIDE_CHROOT, way.socket.path, seen, fix)
        return
    # Debian fills the chroot when Postfix starts: in a tree where it never did, nothing can be said
    if not (way.world.is_live or os.path.isdir(way.world.at(f"{way.instance.queue}/etc"))):
        return
    for milter in split_milters(way.instance.values["smtpd_milters"]):
        if way.is_ours(milter) and not _resolves_in_chroot(way, milter):
            seen = f"{milter}; {named} is chrooted, and neither etc/hosts nor etc/resolv.conf there knows the name"
            address = "write its address, or add the name to etc/hosts of the chroot"
            fix = _spelt(way) if "localhost" in milter else edit(way.world, way.main_cf, 0, address)
            yield noticed(c.NO_HOSTS_IN_CHROOT, milter, seen, fix)


def _resolves_in_chroot(way: Way, milter: str) -> bool:
    """Whether a chrooted service can find the address of a milter's host."""
    socket = milter_socket(milter, way.instance.queue)
    if socket is None or ":" in socket.host or socket.host.replace(".", "").isdecimal():
        return True
    place = f"{way.instance.queue}/etc"
    hosts = read_file(way.world.at(f"{place}/hosts")) or b""
    names = {word for line in hosts.decode("utf-8", "replace").splitlines() for word in line.split("#")[0].split()[1:]}
    if socket.host in names:
        return True
    # localhost is never asked of a resolver
    return socket.host != "localhost" and os.path.exists(way.world.at(f"{place}/resolv.conf"))


def _chrooted(way: Way) -> list[str]:
    """The services that ask milters and see nothing but the queue directory."""
    return sorted({s.place for s in way.instance.services if s.command in ("smtpd", "cleanup") and s.is_chrooted})


def _is_inside(way: Way) -> bool:
    return way.socket.path.startswith(way.instance.queue + "/")


def _reachable(way: Way) -> str:
    """The command that moves the socket into the chroot; no Unix socket lies in those of two instances."""
    if len(way.world.postfix) == 1:
        return dkimctl(way.world, "render-config --install")
    words = "one for every chroot: then doctor again, and the same socket in dkimctl.toml"
    return dkimctl(way.world, "render-config --install --socket inet:8891@localhost", words)


def _spelt(way: Way) -> str:
    """The command that names the daemon as this instance should, and leaves the other milters."""
    milters = split_milters(way.instance.values["smtpd_milters"])
    return way.listing("smtpd_milters", (way.spelling if way.is_ours(m) else m for m in milters))


def _permission(way: Way) -> Iterator[Diagnosis]:
    world, daemon = way.world, way.world.account
    client = world.accounts.account(way.instance.values["mail_owner"])
    if not way.socket.is_unix or daemon is None or client is None:
        return
    directory = way.socket.path.rpartition("/")[0]
    make = make_socket_directory(world, daemon, directory, world.accounts.group_name(client.gid))
    fix = make  # `dkimctl render-config`, when the directory is not the daemon's to have
    if not make.startswith("dkimctl"):
        mask = "" if world.opendkim.number("UMask", SYSTEMD_UMASK) == 0o007 else set_parameter(world, "UMask", "007")
        fix = chain(make, mask, service(world, "restart"))
    try:
        denial = may_connect(world, way.socket, client, daemon)
        mode, _ = predicted(world, way.socket, daemon)
        anybody = may_connect(world, way.socket, _STRANGER, daemon) is None
    except OSError as error:
        if world.is_live and error.errno != 2:
            yield noticed(machine.UNREAD, directory, f"{directory}: {error.strerror}".lower())
        return
    if denial:
        seen = f"{denial.node} is {denial.mode:04o} {denial.owner}; Postfix connects as {client.name}"
        yield noticed(c.SOCKET_DENIED, denial.node, seen, fix)
    elif anybody:
        yield noticed(c.OPEN_SOCKET, way.socket.path, f"{way.socket.path} gets {mode:04o} (UMask)", fix)
    members = world.accounts.by_gid.get(daemon.gid)
    if members and client.name in members.members and daemon.gid != client.gid:
        tree = "" if world.is_live else f"--root {shell_word(world.root)} "
        fix = chain(fix, f"gpasswd {tree}-d {client.name} {members.name}")
        yield noticed(c.SHARED_GROUP, members.name, f"group {members.name} has {', '.join(members.members)}", fix)


def _failure_action(way: Way) -> Iterator[Diagnosis]:
    action = way.instance.values["milter_default_action"]
    fix = f"{way.postconf} -e 'milter_default_action = tempfail'"
    milters = split_milters(way.instance.values["smtpd_milters"])
    for milter in milters:
        own = _OWN_ACTION.search(milter)
        if way.is_ours(milter) and own:
            action = own[2]
            mended = _OWN_ACTION.sub(r"\1tempfail", milter)
            fix = way.listing("smtpd_milters", (mended if m == milter else m for m in milters))
    entry = {"accept": c.ACCEPTS, "reject": c.REJECTS, "quarantine": c.REJECTS}.get(action)
    if entry is None and action not in _known_actions(way):
        entry = c.BAD_ACTION
    if entry:
        yield noticed(entry, "milter_default_action", f"{way.main_cf}: milter_default_action = {action}", fix)


def _known_actions(way: Way) -> tuple[str, ...]:
    """The actions that this Postfix knows: `shutdown` came with 3.10, and with 3.7.20."""
    numbers = [int(part) for part in way.instance.values["mail_version"].split(".") if part.isdecimal()]
    is_new = numbers >= [3, 10] or [3, 7, 20] <= numbers < [3, 8]
    return ("accept", "reject", "tempfail", "quarantine", *(("shutdown",) if is_new else ()))


def _kept_away(way: Way) -> Iterator[Diagnosis]:
    """What keeps mail from every milter, for all services or for some clients."""
    name, values = "receive_override_options", way.instance.values
    if "no_milters" in values[name] and way.asks(values["smtpd_milters"]):
        kept = ",".join(o for o in values[name].replace(",", " ").split() if o != "no_milters")
        fix = f"{way.postconf} -e {shell_word(f'{name} = {kept}')}"
        yield noticed(c.NO_MILTERS, name, f"{way.main_cf}: {name} = {values[name]}", fix)
    for pickup in way.instance.services_of("pickup"):
        if "no_milters" in pickup.overrides.get(name, "") and way.asks(values["non_smtpd_milters"]):
            fix = f"{way.postconf} -P {shell_word(way.admitting(pickup))}"
            seen = f"{way.instance.directory}/master.cf: {pickup.place} has -o {name}={pickup.overrides[name]}"
            yield noticed(c.NO_MILTERS, pickup.place, seen, fix)
    maps = values["smtpd_milter_maps"]
    if maps:
        yield noticed(c.MILTER_MAPS, "smtpd_milter_maps", f"{way.main_cf}: smtpd_milter_maps = {maps}", "")


def _authenticated(way: Way) -> Iterator[Diagnosis]:
    """Mail of clients who log in: the daemon must hear of it."""
    effective = way.instance.effective
    for door in way.doors():
        macros = effective(door, "milter_mail_macros")
        takes_logins = effective(door, "smtpd_sasl_auth_enable") == "yes"
        if takes_logins and way.signs(door) and "auth_type" not in macros:
            fix = f"{way.postconf} -X milter_mail_macros"
            if "milter_mail_macros" in door.overrides:
                fix = f"{way.postconf} -PX {shell_word(f'{door.place}/milter_mail_macros')}"
            yield noticed(c.NO_AUTH_MACRO, door.place, f"{door.place}: milter_mail_macros = {macros}", fix)
            return


def _faster(way: Way) -> str:
    """The command that gives the daemon dkimctl's own socket, which is a Unix one unless dkimctl was told otherwise."""
    own = Signing().socket
    words = "" if way.world.settings.signing.socket == own else f'with socket = "{own}" in dkimctl.toml'
    return dkimctl(way.world, "render-config --install", words)


def _small_things(way: Way) -> Iterator[Diagnosis]:
    values = way.instance.values
    protocol = values["milter_protocol"]
    if protocol.isdecimal() and int(protocol) < 2:
        seen = f"{way.main_cf}: milter_protocol = {protocol}"
        yield noticed(c.OLD_PROTOCOL, "milter_protocol", seen, f"{way.postconf} -X milter_protocol")
    if not way.socket.is_unix and signer_of(way.world.settings).explains:
        yield noticed(c.SLOW_SOCKET, "Socket", f"Socket {way.socket}", _faster(way))
    if "bounce" not in values["internal_mail_filter_classes"] and way.asks(values["non_smtpd_milters"]):
        fix = f"{way.postconf} -e 'internal_mail_filter_classes = bounce, notify'"
        yield noticed(c.BOUNCES, "internal_mail_filter_classes", f"{way.main_cf}: internal_mail_filter_classes", fix)
