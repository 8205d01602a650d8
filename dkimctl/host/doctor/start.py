"""How the daemon is started, and whether it can make its socket."""

import os
import stat
from collections.abc import Iterator

from dkimctl.errors import UsageError
from dkimctl.host.catalogue import conf as c
from dkimctl.host.catalogue import machine, postfix
from dkimctl.host.doctor.base import Diagnosis, edit, noticed
from dkimctl.host.installation import where
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.sockets import MilterSocket, parse_socket

_CRON = ("/etc/crontab", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly")


def check_start(world: World) -> Iterator[Diagnosis]:
    """Command line, unit, pid file, and the socket from the daemon's side."""
    if world.opendkim.conf is None:
        return
    yield from _command_line(world)
    yield from _stale_default(world)
    yield from _pid_file(world)
    yield from _socket(world)
    yield from _cron(world)


def _command_line(world: World) -> Iterator[Diagnosis]:
    option = world.opendkim.service.option("Socket")
    written = world.opendkim.conf.find("Socket") if world.opendkim.conf else None
    if option and written and not _same(option.value, written.value):
        seen = f"{where(option)}: -p {option.value}; {where(written)}: Socket {written.value}"
        fix = f"rm {world.shown(option.file)} && systemctl daemon-reload && systemctl restart opendkim"
        if ".service.d/" not in option.file:
            fix = f"take -p out: systemctl edit --full opendkim; {edit(world, option.file, option.line)}"
        yield noticed(c.COMMAND_LINE, where(option), seen, fix)


def _same(one: str, other: str) -> bool:
    try:
        return parse_socket(one).endpoint == parse_socket(other).endpoint
    except UsageError:
        return one == other


def _stale_default(world: World) -> Iterator[Diagnosis]:
    stale = world.opendkim.service.default("SOCKET")
    effective = world.opendkim.find("Socket")
    if not (stale and effective and world.opendkim.service.lines) or _same(stale.value, effective.value):
        return
    if stale.value.endswith("/run/opendkim/opendkim.sock"):
        return  # as the package ships it
    seen = f"{where(stale)}: SOCKET={stale.value}; in effect is {where(effective)}: {effective.value}"
    yield noticed(c.STALE_DEFAULT, where(stale), seen, f"delete the line: {edit(world, stale.file, stale.line)}")


def _pid_file(world: World) -> Iterator[Diagnosis]:
    service = world.opendkim.service
    wanted, kind = service.find("PIDFile"), service.find("Type")
    if wanted is None or kind is None or kind.value != "forking":
        return
    written = world.opendkim.find("PidFile")
    if written and _run(written.value) == _run(wanted.value):
        return
    seen = f"{where(written)}: PidFile {written.value}" if written else f"{world.opendkim.conf_path} has no PidFile"
    fix = f"write PidFile {wanted.value}: {edit(world, world.opendkim.conf_path, written.line if written else 0)}"
    yield noticed(c.PID_FILE, "PidFile", f"{seen}; {where(wanted)}: PIDFile={wanted.value}", fix)


def _run(path: str) -> str:
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _socket(world: World) -> Iterator[Diagnosis]:
    setting = world.opendkim.find("Socket")
    if setting is None:
        fix = "dkimctl render-config --install"
        yield noticed(c.NO_SOCKET, "Socket", f"{world.opendkim.conf_path} has no Socket", fix)
        return
    socket = effective_socket(world.opendkim)
    if socket is None:
        seen = f"{where(setting)}: Socket {setting.value}: local:/PATH or inet:PORT@HOST is wanted"
        yield noticed(c.BAD_VALUE, where(setting), seen, edit(world, setting.file, setting.line))
        return
    if socket.is_unix:
        yield from _place(world, setting, socket)


def _place(world: World, setting: Setting, socket: MilterSocket) -> Iterator[Diagnosis]:
    """The directory in which the socket is made, and what may lie there."""
    account, directory = world.account, os.path.dirname(socket.path)
    if account is None or (not world.is_live and directory.startswith(("/run", "/var/run"))):
        return  # made at boot: a staging tree has none
    shown = world.shown(directory)
    make = f"install -d -o {account.name} -g postfix -m 2750 {shown}"
    try:
        status = os.stat(shown)
    except FileNotFoundError:
        yield noticed(postfix.NO_SOCKET_DIRECTORY, directory, f"{where(setting)}: {setting.value}", make)
        return
    except OSError as error:
        yield noticed(machine.UNREAD, directory, str(error.strerror).lower())
        return
    bits = 0o300 if status.st_uid == account.uid else 0o030 if status.st_gid in account.groups else 0o003
    if account.uid and status.st_mode & bits != bits:
        mode, owner = stat.S_IMODE(status.st_mode), world.accounts.user_name(status.st_uid)
        seen = f"{directory} is {mode:04o} {owner}:{world.accounts.group_name(status.st_gid)}; {account.name} makes it"
        yield noticed(postfix.NO_SOCKET_DIRECTORY, directory, seen, make)
    try:
        there = os.lstat(world.shown(socket.path))
    except OSError:
        return
    if not stat.S_ISSOCK(there.st_mode) or (account.uid and there.st_uid != account.uid):
        kind = "a socket of " + world.accounts.user_name(there.st_uid) if stat.S_ISSOCK(there.st_mode) else "no socket"
        fix = f"rm {world.shown(socket.path)}, then systemctl restart opendkim"
        yield noticed(postfix.SOCKET_IN_WAY, socket.path, f"{socket.path} is {kind}", fix)


def _cron(world: World) -> Iterator[Diagnosis]:
    for place in _CRON:
        path = world.settings.at(place)
        try:
            files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
            found = [(f, n) for f in files for n, line in enumerate(f.read_bytes().splitlines(), 1) if _calls(line)]
        except OSError:
            continue
        for file, number in found:
            name = place if path.is_file() else f"{place}/{file.name}"
            yield noticed(machine.TESTKEY_CRON, f"{name} line {number}", f"{name} line {number}")


def _calls(line: bytes) -> bool:
    return b"opendkim-testkey" in line and not line.lstrip().startswith(b"#") and b" -d" not in line
