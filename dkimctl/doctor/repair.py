"""Safe repairs: owners, modes, and rows that the daemon never uses."""

import stat
from collections.abc import Callable, Iterator

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.doctor.base import Diagnosis, Repair
from dkimctl.doctor.run import diagnose
from dkimctl.errors import DkimctlError, UsageError
from dkimctl.files import Owner, give, is_there, make_directory, read_with_status, refuse_link, write_file
from dkimctl.host.accounts import Accounts
from dkimctl.host.world import World, read_world

_MAX_ROUNDS = 12
"""The daemon's check of a path stops at the first fault: fixing one may reveal the next."""


def apply_repairs(
    settings: Settings, clock: Clock, report: Callable[[str], None], failed: Callable[[DkimctlError], None]
) -> bool:
    """Apply every repair, repeatedly until none is left. Return whether one was applied.

    `report` gets the commands of a round before any is applied; `failed` gets the error of a repair that could not
    be applied. Raises what `read_world` raises.
    """
    tried: set[Repair] = set()
    done = False
    for _ in range(_MAX_ROUNDS):
        world = read_world(settings)
        found = diagnose(world)
        waiting = [r for r in dict.fromkeys(_repairs(found)) if r not in tried]
        if not waiting:
            break
        for command in (c for repair in waiting for c in repair.commands(world)):
            report(command)
        for repair in waiting:
            tried.add(repair)
            try:
                apply_repair(repair, world, clock)
                done = True
            except DkimctlError as error:
                failed(error)
    return done


def _repairs(found: tuple[Diagnosis, ...]) -> Iterator[Repair]:
    return (d.repair for d in found if d.repair is not None)


def apply_repair(repair: Repair, world: World, clock: Clock) -> None:
    """Apply one repair. Raises Refused for a link or a file with several names, DiskError when the system refuses."""
    if repair.drop_lines:
        _drop(repair, world, clock)
        return
    owner = _numbers(repair.owner, world.accounts) if repair.owner else None
    give(world.settings.at(repair.path), mode=repair.mode, owner=owner)


def _numbers(text: str, accounts: Accounts) -> Owner:
    user, _, group = text.partition(":")
    account, members = accounts.account(user), accounts.group(group)
    if account is None or members is None:
        raise UsageError(f"no such user or group: {text}", hint="see getent passwd and getent group")
    return Owner(account.uid, members.gid, text)


def _drop(repair: Repair, world: World, clock: Clock) -> None:
    path = world.settings.at(repair.path)
    refuse_link(path)
    there = read_with_status(path)
    if there is None:
        return
    content, status = there
    owner, mode = Owner.of(status), stat.S_IMODE(status.st_mode)
    lines = content.split(b"\n")
    for number in repair.drop_lines:
        lines[number - 1] = b"#" + lines[number - 1]
    backup = world.settings.at(f"{world.settings.paths.backups}/{clock.now():%Y%m%dT%H%M%SZ}{repair.path}")
    make_directory(backup.parent, mode=0o700)
    if not is_there(backup):  # one from this second already has the original file
        write_file(backup, content, mode=mode, owner=owner)
    write_file(path, b"\n".join(lines), mode=mode, owner=owner)
