"""Checks of the running machine: the daemon's process and socket. Never made for a tree below `--root`."""

import os
from collections.abc import Iterator
from dataclasses import replace

from dkimctl.catalogue import machine as c
from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import service
from dkimctl.doctor.stale_tables import signs_differently
from dkimctl.errors import DkimctlError, Unavailable, shell_word
from dkimctl.host.clockstate import started
from dkimctl.host.datasets import FILES
from dkimctl.host.running import daemon_pid
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.world import World
from dkimctl.milter.client import greet
from dkimctl.milter.wire import NothingListens
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.programs import find_program, has_systemd
from dkimctl.signers.registry import signer_of
from dkimctl.signers.service import last_reload

_RECENT = 86_400.0
"""Seconds after a table's change for which a missing reload is reported."""


def check_machine(world: World) -> Iterator[Diagnosis]:
    """Check that the signer is installed, running, and listening where Postfix connects."""
    if not world.is_live:
        yield diagnosis(c.STAGING, str(world.root), f"--root {world.root}")
        return
    name = world.settings.signing.signer
    if find_program(name) is None:
        entry = replace(c.NOT_INSTALLED, title=f"{name} is not installed", fix=f"apt-get install {name}")
        yield diagnosis(entry, name, f"no program {name} in /usr/sbin or /usr/bin")
    elif signer_of(world.settings).explains:
        yield from _daemon(world)
    else:
        yield from _other_signer(world)


def _other_signer(world: World) -> Iterator[Diagnosis]:
    """Check whether a signer other than opendkim listens where Postfix should connect."""
    signer = signer_of(world.settings)
    socket = signer.listens_at(world.settings)
    yield diagnosis(c.OTHER_SIGNER, signer.name, f"{signer.name} listens at {socket}")
    if socket is None:
        return
    start = f"systemctl start {signer.name}" if has_systemd() else signer.service(world.settings).start
    yield from _listening(socket, None, start, start)


def _daemon(world: World) -> Iterator[Diagnosis]:
    socket = effective_socket(world.opendkim)
    if socket is None or world.opendkim.conf is None:
        return
    pid_file = world.opendkim.get("PidFile", world.settings.paths.pid_file)
    try:
        pid = daemon_pid(world.settings.signing.signer, [pid_file])
    except DkimctlError as error:
        yield diagnosis(c.UNREAD, pid_file, error.message)
        pid = None
    trouble = list(_listening(socket, pid, service(world, "start"), service(world, "restart")))
    yield from trouble
    began = started(pid) if pid and not trouble else None
    changed = _last_change(world)
    if began is not None and changed and changed[0] > max(began, last_reload(pid_file) or 0.0):
        seen = f"opendkim (pid {pid}) was started before the last change of {changed[1]}"
        difference = signs_differently(world, socket)
        entry = c.SIGNS_OTHERWISE if difference else c.STALE_CONF
        yield diagnosis(entry, changed[1], f"{seen}; {difference}" if difference else seen, service(world, "reload"))


def _last_change(world: World) -> tuple[float, str] | None:
    """Return the time and path of the last change of opendkim.conf or a table; of a table only within a day.

    Tables change with every new key, and a reload of the daemon leaves no trace.
    """
    included = world.opendkim.conf.settings if world.opendkim.conf else ()
    files = {world.opendkim.conf_path, *(setting.file for setting in included)}
    tables = {data_set.place for data_set in world.data_sets.values() if data_set.kind in FILES}
    found = [(os.stat(path).st_mtime, path) for path in files | tables if os.path.exists(path)]
    since = SYSTEM_CLOCK.now().timestamp() - _RECENT
    return max((change for change in found if change[1] in files or change[0] > since), default=None)


def _listening(socket: MilterSocket, pid: int | None, start: str, restart: str) -> Iterator[Diagnosis]:
    try:
        greet(socket)
    except NothingListens as error:
        if isinstance(error.__cause__, PermissionError):
            yield diagnosis(c.UNREAD, str(socket), error.message)
        elif pid:
            seen = f"{error.message}, but opendkim runs (pid {pid})"
            yield diagnosis(c.RESTART, str(socket), seen, restart)
        else:
            yield diagnosis(c.NOT_RUNNING, str(socket), error.message, start)
    except Unavailable as error:
        fix = f"ss -lp | grep -F {shell_word(socket.path or f':{socket.port}')}  # shows the listening process"
        yield diagnosis(c.NOT_A_MILTER, str(socket), error.message, fix)
