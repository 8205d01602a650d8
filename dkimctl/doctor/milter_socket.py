"""Checks of the milter socket: can Postfix connect, chrooted or not, and nobody else?"""

import os
from collections.abc import Iterator

from dkimctl.catalogue import machine
from dkimctl.catalogue import postfix as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain, dkimctl, edit, service, set_parameter
from dkimctl.doctor.mail_routes import MailRoute
from dkimctl.doctor.start import make_socket_directory
from dkimctl.errors import shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.socketplace import SYSTEMD_UMASK, may_connect, predicted
from dkimctl.host.world import World
from dkimctl.postfix.milters import milter_socket, split_milters

_UNPRIVILEGED = Account("unprivileged", -2, -2)
"""A user without files and groups."""


def check_chroot(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that a chrooted service can reach the socket."""
    chrooted = chrooted_services(route)
    if not chrooted:
        return
    named = chrooted[0]
    if route.socket.is_unix:
        inside = is_in_queue(route)
        absolute = [
            m for m in split_milters(route.instance.values["smtpd_milters"]) if f":{route.instance.queue}/" in m
        ]
        if not inside or absolute:
            seen = f"{route.socket}; {named} is chrooted to {route.instance.queue}"
            fix = _spelt(route) if inside else move_into_chroot(route)
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


def check_loopback(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that `localhost` is for Postfix the address at which opendkim listens: inet: means 127.0.0.1 (measured)."""
    if route.socket.endpoint[0] != "localhost" or route.instance.values["inet_protocols"] == "ipv4":
        return
    chroots = (f"{route.instance.queue}/etc/hosts",) if chrooted_services(route) else ()
    for path in (*chroots, "/etc/hosts"):
        first = _first_address(route.world, path, "localhost")
        for milter in split_milters(route.instance.values["smtpd_milters"]):
            if ":" in first and route.is_daemon(milter) and "localhost" in milter:
                seen = f"{milter}: {path} has {first} first for localhost; the daemon listens at {route.socket}"
                yield diagnosis(c.OTHER_SOCKET, milter, seen, _spelt(route))
                return


def _first_address(world: World, path: str, name: str) -> str:
    """Return the address of a name in the first line of a hosts file that has it; empty without one."""
    hosts = (read_file(world.at(path)) or b"").decode("utf-8", "replace").splitlines()
    lines = (line.partition("#")[0].split() for line in hosts)
    return next((words[0] for words in lines if name in words[1:]), "")


def check_permission(route: MailRoute) -> Iterator[Diagnosis]:
    """Check that Postfix, and nobody else, may connect to a Unix socket."""
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


def chrooted_services(route: MailRoute) -> list[str]:
    """Return the chrooted services that connect to milters."""
    return sorted({s.place for s in route.instance.services if s.command in ("smtpd", "cleanup") and s.is_chrooted})


def is_in_queue(route: MailRoute) -> bool:
    """Return whether the socket is below the queue directory, which is the root of a chrooted service."""
    return route.socket.path.startswith(route.instance.queue + "/")


def move_into_chroot(route: MailRoute) -> str:
    """Return the command that moves the socket into the chroot; for several instances, to TCP."""
    if len(route.world.postfix) == 1:
        return dkimctl(route.world, "render-config --install")
    comment = "one socket for every chroot: then run doctor again, and set the same socket in dkimctl.toml"
    return dkimctl(route.world, "render-config --install --socket inet:8891@127.0.0.1", comment)


def _spelt(route: MailRoute) -> str:
    """Return the command that corrects the daemon's name in the list and keeps the other milters."""
    milters = split_milters(route.instance.values["smtpd_milters"])
    return route.set_milters("smtpd_milters", (route.spelling if route.is_daemon(m) else m for m in milters))
