"""Checks of the daemon's start: command line, unit, PID file, and its socket."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dkimctl.catalogue import conf as c
from dkimctl.catalogue import machine, postfix
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain, comment_out, dkimctl, edit, make_directory, service, set_parameter
from dkimctl.doctor.unit_sandbox import check_sandbox
from dkimctl.errors import DiskError, UsageError, shell_word
from dkimctl.files import read_file
from dkimctl.host.accounts import Account
from dkimctl.host.installation import where
from dkimctl.host.socketplace import EVERYWHERE, effective_socket
from dkimctl.host.world import World
from dkimctl.opendkim.conf import Setting
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.postfix.milters import milter_socket
from dkimctl.programs import has_systemd

_TMPFILES = ("/etc/tmpfiles.d", "/run/tmpfiles.d", "/usr/lib/tmpfiles.d")
_USUAL_DIRECTORIES = ("opendkim", "dkim")
"""Names of directories that hold only a daemon's socket."""
_CRON = ("/etc/crontab", "/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly")


def check_start(world: World) -> Iterator[Diagnosis]:
    """Check the command line, the unit, the PID file, and the socket as the daemon sees it."""
    if world.opendkim.conf is None:
        return
    yield from _command_line(world)
    yield from _stale_default(world)
    yield from _pid_file(world)
    yield from _socket(world)
    yield from check_sandbox(world)
    yield from _cron(world)


def _command_line(world: World) -> Iterator[Diagnosis]:
    unit = world.opendkim.service
    option = unit.unit_option("Socket") or unit.option("Socket")
    written = world.opendkim.conf.find("Socket") if world.opendkim.conf else None
    if option and written and not _same(option.value, written.value):
        seen = f"{where(option)}: -p {option.value}; {where(written)}: Socket {written.value}"
        yield diagnosis(c.COMMAND_LINE, where(option), seen, without_option(world, option))


def without_option(world: World, option: Setting) -> str:
    """Return the command that removes the socket option, so that opendkim.conf applies."""
    if option.file.startswith("/proc/"):
        return "start opendkim without -p, so that the Socket of opendkim.conf applies"
    if ".service.d/" not in option.file:
        return edit(world, option.file, option.line, "remove -p, then reload systemd and restart opendkim")
    # without ExecStart in the drop-in the unit's own applies
    off = f"sed -i 's/^ExecStart=/#&/' {shell_word(world.shown(option.file))}"
    again = "systemctl daemon-reload" if world.is_live and has_systemd() else ""
    return chain(off, again, service(world, "restart"))


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
        return  # the package's default
    seen = f"{where(stale)}: SOCKET={stale.value}; in effect is {where(effective)}: {effective.value}"
    yield diagnosis(c.STALE_DEFAULT, where(stale), seen, comment_out(world, stale.file, stale.line))


def _pid_file(world: World) -> Iterator[Diagnosis]:
    service = world.opendkim.service
    wanted, kind = service.find("PIDFile"), service.find("Type")
    if wanted is None or kind is None or kind.value != "forking":
        return
    written = world.opendkim.find("PidFile")
    if written and _run(written.value) == _run(wanted.value):
        return
    seen = f"{where(written)}: PidFile {written.value}" if written else f"{world.opendkim.conf_path} has no PidFile"
    fix = set_parameter(world, "PidFile", wanted.value)
    yield diagnosis(c.PID_FILE, "PidFile", f"{seen}; {where(wanted)}: PIDFile={wanted.value}", fix)


def _run(path: str) -> str:
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _socket(world: World) -> Iterator[Diagnosis]:
    setting = world.opendkim.find("Socket")
    if setting is None:
        fix = dkimctl(world, "render-config --install")
        yield diagnosis(c.NO_SOCKET, "Socket", f"{world.opendkim.conf_path} has no Socket", fix)
        return
    socket = effective_socket(world.opendkim)
    if socket is None:
        seen = f"{where(setting)}: Socket {setting.value}: expected local:/PATH or inet:PORT@HOST"
        right = _meant_socket(setting.value)
        fix = set_parameter(world, "Socket", right) if right else edit(world, setting.file, setting.line)
        yield diagnosis(c.BAD_VALUE, where(setting), seen, fix)
        return
    if socket.is_unix:
        yield from _place(world, setting, socket)
        yield from _after_boot(world, setting, os.path.dirname(socket.path))
    elif socket.host in EVERYWHERE:
        fix = set_parameter(world, "Socket", f"inet:{socket.port}@127.0.0.1")
        seen = f"{where(setting)}: {setting.value} listens at every address"
        yield diagnosis(postfix.OPEN_PORT, "Socket", seen, fix)


def _meant_socket(text: str) -> str:
    """Return the intended TCP socket in opendkim's syntax; empty when the intention is unclear."""
    kind, _, rest = text.partition(":")
    port, _, host = rest.partition("@")
    meant = milter_socket(text, "")
    if kind.lower() == "inet" and port.isdecimal():
        candidate = f"inet6:{port}@{host.strip('[]')}" if ":" in host else f"inet:{port}@{host or '127.0.0.1'}"
    else:
        candidate = str(meant) if meant and not meant.is_unix else ""
    try:
        parse_socket(candidate)
    except UsageError:
        return ""
    return candidate


def _after_boot(world: World, setting: Setting, directory: str) -> Iterator[Diagnosis]:
    """Check the socket's directory: below /run it is gone after a boot, unless systemd creates it."""
    place = _run(directory)
    if place == "/run" or not place.startswith("/run/"):
        return
    unit = world.opendkim.service
    runtime = unit.find("RuntimeDirectory")
    made = {f"/run/{name}" for name in (runtime.value.split() if runtime else ())} | set(_by_tmpfiles(world))
    if place in made or any(place in line.value for line in unit.lines) or not unit.lines:
        return
    account, group = world.account, world.opendkim.group or "opendkim"
    line = f"d {place} 0750 {account.name if account else 'opendkim'} {group} - -"
    target = world.shown("/etc/tmpfiles.d")
    fix = chain(
        f"mkdir -p {shell_word(target)}", f"echo {shell_word(line)} > {shell_word(f'{target}/opendkim-socket.conf')}"
    )
    seen = f"{where(setting)}: {setting.value}; neither tmpfiles.d nor the unit creates {place}"
    yield diagnosis(postfix.NOT_AFTER_BOOT, directory, seen, fix)


def _by_tmpfiles(world: World) -> Iterator[str]:
    """Yield the directories that systemd-tmpfiles creates at each boot."""
    for place in _TMPFILES:
        for _, content in _contents(world.at(place), "*.conf"):
            rows = (line.split() for line in content.decode("utf-8", "replace").splitlines())
            made = (row[1] for row in rows if len(row) > 1 and row[0].rstrip("!+-=~^") in ("d", "D"))
            yield from (_run(directory.rstrip("/")) for directory in made)


def _contents(directory: Path, pattern: str = "*") -> Iterator[tuple[Path, bytes]]:
    """Yield the readable files of a directory with their contents, sorted."""
    with suppress(OSError):
        for file in sorted(directory.glob(pattern)):
            with suppress(DiskError):
                yield file, read_file(file) or b""


def _place(world: World, setting: Setting, socket: MilterSocket) -> Iterator[Diagnosis]:
    """Check the socket's directory, and for another file in the socket's place."""
    account, directory = world.account, os.path.dirname(socket.path)
    if account is None or (not world.is_live and directory.startswith(("/run", "/var/run"))):
        return  # created at boot: a staging tree has none
    shown = world.shown(directory)
    make = make_socket_directory(world, account, directory, "postfix")
    try:
        status = os.stat(shown)
    except FileNotFoundError:
        yield diagnosis(postfix.NO_SOCKET_DIRECTORY, directory, f"{where(setting)}: {setting.value}", make)
        return
    except OSError as error:
        yield diagnosis(machine.UNREAD, directory, f"{directory}: {error.strerror}".lower())
        return
    if not account.may(0o3, status.st_mode, status.st_uid, status.st_gid):
        mode, owner = stat.S_IMODE(status.st_mode), world.accounts.user_name(status.st_uid)
        group = world.accounts.group_name(status.st_gid)
        seen = f"{directory} is {mode:04o} {owner}:{group}; {account.name} creates the socket"
        yield diagnosis(postfix.NO_SOCKET_DIRECTORY, directory, seen, make)
    try:
        there = os.lstat(world.shown(socket.path))
    except OSError:
        return
    if not stat.S_ISSOCK(there.st_mode) or (account.uid and there.st_uid != account.uid):
        kind = "a socket of " + world.accounts.user_name(there.st_uid) if stat.S_ISSOCK(there.st_mode) else "no socket"
        fix = chain(f"rm {shell_word(world.shown(socket.path))}", service(world, "restart"))
        yield diagnosis(postfix.SOCKET_IN_WAY, socket.path, f"{socket.path} is {kind}", fix)


def make_socket_directory(world: World, account: Account, directory: str, client_group: str) -> str:
    """Return the command that gives the socket's directory to the daemon, with Postfix's group.

    Where others use the directory too, the command configures another socket.
    """
    serves_others = os.path.basename(directory) not in (account.name, *_USUAL_DIRECTORIES)
    if serves_others or directory.startswith(("/run", "/var/run")):  # the latter is created at each boot
        return dkimctl(world, "render-config --install")
    return make_directory(world, directory, account, client_group, 0o2750)


def _cron(world: World) -> Iterator[Diagnosis]:
    for place in _CRON:
        path = world.at(place)
        for file, content in _contents(path) if os.path.isdir(path) else _contents(path.parent, path.name):
            name = place if file == path else f"{place}/{file.name}"
            for number, line in enumerate(content.splitlines(), 1):
                if _calls(line):
                    advice = "dkimctl verify-dns exits 1 for errors, 3 for what it could not query"
                    fix = edit(world, name, number, advice)
                    yield diagnosis(machine.TESTKEY_CRON, f"{name} line {number}", f"{name} line {number}", fix)


def _calls(line: bytes) -> bool:
    return b"opendkim-testkey" in line and not line.lstrip().startswith(b"#") and b" -d" not in line
