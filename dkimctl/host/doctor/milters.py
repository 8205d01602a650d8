"""Postfix's side: does every way in lead to the daemon, once, last, and can Postfix connect?"""

from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.host.accounts import Account
from dkimctl.host.catalogue import machine
from dkimctl.host.catalogue import postfix as c
from dkimctl.host.doctor.base import Diagnosis, noticed
from dkimctl.host.postfix import PostfixInstance, Service
from dkimctl.host.socketplace import effective_socket, leads_to, may_connect, predicted
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import milter_socket, names_opendkim, postfix_spelling, split_milters

LISTS = ("smtpd_milters", "non_smtpd_milters")
_STRANGER = Account("anybody", -2, -2)
"""Somebody who owns nothing and is in no group."""


@dataclass(frozen=True, slots=True)
class Way:
    """One Postfix instance and the daemon's socket."""

    world: World
    instance: PostfixInstance
    socket: MilterSocket

    def is_ours(self, milter: str) -> bool:
        """True when a milter of the list is the daemon."""
        return leads_to(milter, self.socket, self.instance.queue)

    def asks(self, value: str) -> bool:
        """True when the daemon is in a list of milters."""
        return any(self.is_ours(milter) for milter in split_milters(value))

    @property
    def spelling(self) -> str:
        """The daemon as main.cf should name it."""
        return postfix_spelling(self.socket, self.instance.queue)

    @property
    def postconf(self) -> str:
        """The command that changes this instance."""
        return f"postconf -c {self.world.shown(self.instance.directory)}"

    @property
    def main_cf(self) -> str:
        """The path of main.cf."""
        return f"{self.instance.directory}/main.cf"

    def doors(self) -> list[Service]:
        """The smtpd services that take mail from elsewhere."""
        return [s for s in self.instance.services_of("smtpd") if s.kind == "inet" and not s.is_loopback]


def ways(world: World) -> Iterator[Way]:
    """Each instance with the daemon's socket; none when the daemon has no socket."""
    socket = effective_socket(world.opendkim)
    if socket is not None:
        yield from (Way(world, instance, socket) for instance in world.postfix)


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
        yield from _permission(way)
        yield from _failure_action(way)
        yield from _small_things(way)


def _lists(way: Way) -> Iterator[Diagnosis]:
    """Each list by itself: spelling, order, repeats."""
    for name in LISTS:
        value = way.instance.values[name]
        milters = split_milters(value)
        seen = f"{way.main_cf}: {name} = {value}"
        for milter in milters:
            if milter_socket(milter, way.instance.queue) is None and milter != "no":
                fix = f"{way.postconf} -e '{name} = {value.replace(milter, way.spelling)}'"
                yield noticed(c.BAD_MILTER, name, f"{seen}: {milter}", fix)
        ours = [milter for milter in milters if way.is_ours(milter)]
        others = [milter for milter in milters if milter not in ours]
        if len(ours) > 1:
            yield noticed(c.TWICE_IN_LIST, name, seen, f"{way.postconf} -e '{name} = {', '.join([*others, ours[0]])}'")
        elif ours and milters[-1] != ours[0]:
            yield noticed(c.NOT_LAST, name, seen, f"{way.postconf} -e '{name} = {', '.join([*others, *ours])}'")


def _asked(way: Way) -> Iterator[Diagnosis]:
    """Does mail from SMTP reach the daemon, at every service?"""
    value = way.instance.values["smtpd_milters"]
    doors = way.doors() or list(way.instance.services_of("smtpd"))
    signing = [s for s in way.instance.services_of("smtpd") if way.asks(way.instance.effective(s, "smtpd_milters"))]
    for door in doors:
        own = door.overrides.get("smtpd_milters")
        hidden = own is not None and not way.asks(own) and way.asks(value)
        closed = "no_milters" in door.overrides.get("receive_override_options", "")
        if hidden or (closed and way.asks(way.instance.effective(door, "smtpd_milters"))):
            name = "smtpd_milters" if hidden else "receive_override_options"
            seen = f"{way.instance.directory}/master.cf: {door.place} has -o {name}={door.overrides[name]}"
            yield noticed(c.OVERRIDE, door.place, seen, f"{way.postconf} -PX {door.place}/{name}")
    if signing or any("smtpd_milters" in door.overrides and way.asks(value) for door in doors):
        return
    strays = [m for m in split_milters(value) if names_opendkim(m, way.instance.queue, ())]
    entry = c.OTHER_SOCKET if strays else c.NOT_ASKED
    others = [m for m in split_milters(value) if m not in strays]
    seen = f"{way.main_cf}: smtpd_milters = {value or '(empty)'}; the daemon listens at {way.socket}"
    yield noticed(
        entry, "smtpd_milters", seen, f"{way.postconf} -e 'smtpd_milters = {', '.join([*others, way.spelling])}'"
    )


def _local(way: Way) -> Iterator[Diagnosis]:
    value = way.instance.values["non_smtpd_milters"]
    if way.asks(value):
        return
    fix = f"{way.postconf} -e 'non_smtpd_milters = $smtpd_milters'"
    yield noticed(
        c.LOCAL_NOT_ASKED, "non_smtpd_milters", f"{way.main_cf}: non_smtpd_milters = {value or '(empty)'}", fix
    )


def _chroot(way: Way) -> Iterator[Diagnosis]:
    """What a chrooted service can see of the socket."""
    chrooted = [s for s in way.instance.services if s.command in ("smtpd", "cleanup") and s.is_chrooted]
    if not chrooted:
        return
    named = sorted({s.place for s in chrooted})[0]
    if way.socket.is_unix:
        inside = way.socket.path.startswith(way.instance.queue + "/")
        absolute = [m for m in split_milters(way.instance.values["smtpd_milters"]) if f":{way.instance.queue}/" in m]
        if not inside or absolute:
            seen = f"{way.socket}; {named} is chrooted to {way.instance.queue}"
            fix = f"{way.postconf} -e 'smtpd_milters = {way.spelling}'" if inside else "dkimctl render-config --install"
            yield noticed(c.OUTSIDE_CHROOT, way.socket.path, seen, fix)
        return
    names = [m for m in split_milters(way.instance.values["smtpd_milters"]) if way.is_ours(m) and "localhost" in m]
    hosts = f"{way.instance.queue}/etc/hosts"
    # Debian fills the chroot when Postfix starts: in a tree where it never did, nothing can be said
    is_filled = way.world.is_live or way.world.settings.at(f"{way.instance.queue}/etc").is_dir()
    if names and is_filled and not way.world.settings.at(hosts).exists():
        fix = f"{way.postconf} -e 'smtpd_milters = {way.spelling}'"
        yield noticed(
            c.NO_HOSTS_IN_CHROOT, names[0], f"{names[0]}; {named} is chrooted, and {hosts} does not exist", fix
        )


def _permission(way: Way) -> Iterator[Diagnosis]:
    world, daemon = way.world, way.world.account
    client = world.accounts.account(way.instance.values["mail_owner"])
    if not way.socket.is_unix or daemon is None or client is None:
        return
    directory = way.socket.path.rpartition("/")[0]
    fix = (
        f"chown {daemon.name}:{client.name} {world.shown(directory)} && chmod 2750 {world.shown(directory)}, "
        "UMask 007 in opendkim.conf, then systemctl restart opendkim"
    )
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
        yield noticed(c.SHARED_GROUP, members.name, f"group {members.name} has {', '.join(members.members)}", fix)


def _failure_action(way: Way) -> Iterator[Diagnosis]:
    action = way.instance.values["milter_default_action"]
    for milter in split_milters(way.instance.values["smtpd_milters"]):
        if way.is_ours(milter) and "default_action" in milter:
            action = milter.partition("default_action")[2].strip(" =}").partition(",")[0].strip()
    entry = {"accept": c.ACCEPTS, "reject": c.REJECTS, "quarantine": c.REJECTS}.get(action)
    if entry:
        fix = f"{way.postconf} -e 'milter_default_action = tempfail'"
        yield noticed(entry, "milter_default_action", f"{way.main_cf}: milter_default_action = {action}", fix)


def _small_things(way: Way) -> Iterator[Diagnosis]:
    values = way.instance.values
    protocol = values["milter_protocol"]
    if protocol.isdigit() and int(protocol) < 2:
        seen = f"{way.main_cf}: milter_protocol = {protocol}"
        yield noticed(c.OLD_PROTOCOL, "milter_protocol", seen, f"{way.postconf} -X milter_protocol")
    if not way.socket.is_unix:
        yield noticed(c.SLOW_SOCKET, "Socket", f"Socket {way.socket}", "dkimctl render-config --install")
    if "bounce" not in values["internal_mail_filter_classes"] and way.asks(values["non_smtpd_milters"]):
        fix = f"{way.postconf} -e 'internal_mail_filter_classes = bounce, notify'"
        yield noticed(c.BOUNCES, "internal_mail_filter_classes", f"{way.main_cf}: internal_mail_filter_classes", fix)
