"""Everything of dkimctl taken out of the daemons' configuration again: mail flows as it did before. Keys stay.

What was there before comes from the backups: the newest copy of opendkim.conf and of main.cf that was not yet ours.
All files change together or none does; a copy of each is kept. After a kill the same command completes the work.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from os.path import dirname
from pathlib import Path

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused
from dkimctl.files import (
    Owner,
    Staged,
    Version,
    is_there,
    read_file,
    read_with_status,
    remove_directory,
    remove_file,
    scratch_directory,
    staged_file,
    staged_removal,
    status_of,
    version_at,
    write_file,
)
from dkimctl.install.backup import backed_up
from dkimctl.install.journal import ADOPTION, INSTALLATION
from dkimctl.install.lock import configuration_lock
from dkimctl.install.switch import reload_postfix
from dkimctl.install.transaction import all_or_nothing
from dkimctl.install.write import staged_main_cf
from dkimctl.opendkim import conf
from dkimctl.opendkim.managed_block import BEGIN, read_foreign
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.opendkim.tables import data_set
from dkimctl.postfix import postconf
from dkimctl.postfix.milters import names_opendkim, split_milters
from dkimctl.signers.base import Selection
from dkimctl.signers.opendkim.conffile import is_ours, without_include
from dkimctl.signers.postfix import LISTS
from dkimctl.signers.registry import all_signers, signer_of
from dkimctl.signers.service import Action, ReloadResult, reload_daemon

_WRITTEN = (b"# Written by dkimctl", b"# Written by `dkimctl")
_ACTION = "milter_default_action"
_ALSO_SMTPD = "$smtpd_milters"


class Removal(StrEnum):
    """What becomes of a file."""

    REMOVED = "removed"
    RESTORED = "restored"
    """As it was before dkimctl came."""
    CHANGED = "changed"
    """dkimctl's lines are gone, and the other ones stay."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One file, and what becomes of it."""

    path: str
    outcome: Removal


@dataclass(frozen=True, slots=True)
class Removed:
    """The result of an uninstallation, or with `dry_run` what it would do."""

    files: tuple[Taken, ...]
    postfix: Mapping[str, str | None]
    """The parameters of main.cf that change, with their new values; None: no longer set."""
    backup: str
    """The directory with copies of the files as they were, as a system path; empty when nothing was there."""
    daemons: tuple[ReloadResult, ...]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing of dkimctl was there."""
        return not (self.files or self.postfix)

    @property
    def waits(self) -> bool:
        """Return whether a running daemon has to be restarted by a person."""
        return any(not daemon.done and daemon.step is not Action.START for daemon in self.daemons)


@dataclass(frozen=True, slots=True)
class _Planned:
    path: str
    outcome: Removal
    content: bytes | None
    """None: the file is removed."""
    status: "tuple[int, Owner] | None"
    """Mode and owner, where they change as well."""
    seen: Version | None


def uninstall(settings: Settings, *, now: datetime, dry_run: bool = False) -> Removed:
    """Take dkimctl's lines out of every file, and have Postfix and the signer read them, Postfix first.

    Raises Refused for an adopted installation, which `adopt --undo` gives back, and DiskError; nothing is changed then.
    """
    path = ADOPTION.path(settings)
    if is_there(settings.at(path)):
        raise Refused(f"this installation was adopted ({path})", hint="give it back first: sudo dkimctl adopt --undo")
    with configuration_lock(settings):
        plan, postfix = list(_plan(settings)), _postfix(settings)
        files = tuple(Taken(planned.path, planned.outcome) for planned in plan)
        if dry_run or not (plan or postfix):
            return Removed(files, postfix, "", ())
        before = signer_of(settings).running(settings)
        backup = _switch(settings, plan, postfix, now)
        remove_file(settings.at(INSTALLATION.path(settings)))
    daemons: list[ReloadResult] = []
    if settings.is_live:
        daemons += [reload_postfix(settings)] if postfix else []
        daemons.append(reload_daemon(Action.RESTART, signer_of(settings).service(settings), before.pid))
    _remove_socket_directory(settings)
    return Removed(files, postfix, backup, tuple(daemons))


def _switch(settings: Settings, plan: list[_Planned], postfix: Mapping[str, str | None], now: datetime) -> str:
    main_cf = settings.paths.main_cf
    backup = backed_up([*(planned.path for planned in plan), *([main_cf] if postfix else [])], settings, now)
    with ExitStack() as stack:
        steps: list[tuple[Staged, Version | None]] = []
        if postfix:  # first, so that no mail is handed to a daemon that is being told otherwise
            seen = version_at(settings.at(main_cf))
            steps.append((stack.enter_context(staged_main_cf(postfix, settings)), seen))
        steps += [(stack.enter_context(_staged(planned, settings)), planned.seen) for planned in plan]
        with all_or_nothing(backup) as put:
            for staged, seen in steps:
                put(staged, seen)
    return backup.shown


def _staged(planned: _Planned, settings: Settings) -> AbstractContextManager[Staged]:
    path = settings.at(planned.path)
    if planned.content is None:
        return staged_removal(path)
    status = status_of(path)
    mode, owner = planned.status or (status.st_mode & 0o7777 if status else 0o644, status and Owner.of(status))
    return staged_file(path, [planned.content], mode=mode, owner=owner if os.geteuid() == 0 else None)


# --- the files


def _plan(settings: Settings) -> Iterator[_Planned]:
    """Yield what changes: opendkim.conf first, so that it never names a table that is gone."""
    path, included = settings.paths.opendkim_conf, f"{settings.paths.opendkim_directory}/dkimctl.conf"
    found = read_with_status(settings.at(path))
    after = found[0] if found else b""
    if found and is_ours(found[0]):
        old = _copy_from_before(settings, path)
        after = old[0] if old else b""
        outcome = Removal.RESTORED if old else Removal.REMOVED
        yield _Planned(path, outcome, old and old[0], old and old[1], Version.of(found[1]))
    elif found and (after := without_include(found[0], included)) != found[0]:
        old = _copy_from_before(settings, path)
        status = old[1] if old and old[0] == after else None
        yield _Planned(path, Removal.CHANGED, after, status, Version.of(found[1]))
    named = {data_set(setting.value)[1] for setting in conf.parse(after, path)}
    for other in _other_files(settings):
        yield from _of_other(other, settings, is_named=other in named)


def _other_files(settings: Settings) -> list[str]:
    nothing = Selection((), "rsa")
    rendered = (file.path for signer in all_signers() for file in signer.files(settings, nothing)[0])
    ours = f"{settings.paths.opendkim_directory}/dkimctl.conf"
    return [path for path in dict.fromkeys((*rendered, ours)) if path != settings.paths.opendkim_conf]


def _of_other(path: str, settings: Settings, *, is_named: bool) -> Iterator[_Planned]:
    found = read_with_status(settings.at(path))
    if found is None:
        return
    if found[0].startswith(_WRITTEN) and BEGIN not in found[0]:
        yield _Planned(path, Removal.REMOVED, None, None, Version.of(found[1]))
    elif BEGIN in found[0]:
        kept = b"".join(line.text for line in read_foreign(settings.at(path)).lines)
        stays = is_named or bool(kept.strip())
        outcome = Removal.CHANGED if stays else Removal.REMOVED
        yield _Planned(path, outcome, kept if stays else None, None, Version.of(found[1]))


def _copies(settings: Settings, path: str) -> Iterator[Path]:
    """Yield the copies of a file in the backups, the newest first."""
    base = settings.at(settings.paths.backups)
    for place in sorted(base.glob("*T*Z*"), reverse=True):
        if is_there(place / path.lstrip("/")):
            yield place / path.lstrip("/")


def _copy_from_before(settings: Settings, path: str) -> "tuple[bytes, tuple[int, Owner]] | None":
    """Return the newest copy of opendkim.conf in which nothing was ours, with its mode and owner."""
    included = f"{settings.paths.opendkim_directory}/dkimctl.conf"
    for copy in _copies(settings, path):
        found = read_with_status(copy)
        if found and not is_ours(found[0]) and without_include(found[0], included) == found[0]:
            return found[0], (found[1].st_mode & 0o7777, Owner.of(found[1]))
    return None


# --- Postfix


def _postfix(settings: Settings) -> dict[str, str | None]:
    """Return the milter settings without ours: as they were, where only ours was added since."""
    directory = settings.at(settings.paths.postfix_directory)
    if not postconf.is_configured(directory):
        return {}
    now = postconf.set_values(directory)
    queue = postconf.read_settings(directory, ("queue_directory",))["queue_directory"]
    sockets = [socket for signer in all_signers() for socket in signer.sockets(settings)]
    sockets.append(parse_socket(settings.signing.socket))

    def others(values: Mapping[str, str], name: str) -> list[str]:
        return [m for m in split_milters(values.get(name, "")) if not names_opendkim(m, queue, sockets)]

    if all(others(now, name) == list(split_milters(now.get(name, ""))) for name in LISTS):
        return {}
    before = next((old for old in _main_cfs(settings) if _is_without(old, others)), {})
    kept = others(now, LISTS[0])
    wanted: dict[str, str | None] = {LISTS[0]: ", ".join(kept) or None}
    local = [m for m in others(now, LISTS[1]) if kept or m != _ALSO_SMTPD]
    wanted[LISTS[1]] = ", ".join(local) or None
    if kept == others(before, LISTS[0]):
        wanted |= {name: before.get(name) for name in (*LISTS, _ACTION)}
    elif not (kept or local):
        wanted[_ACTION] = None
    return {name: value for name, value in wanted.items() if now.get(name) != value}


def _is_without(values: Mapping[str, str], others: "Callable[[Mapping[str, str], str], list[str]]") -> bool:
    return others(values, LISTS[0]) == list(split_milters(values.get(LISTS[0], "")))


def _main_cfs(settings: Settings) -> Iterator[dict[str, str]]:
    """Yield what the copies of main.cf set, the newest first."""
    for copy in _copies(settings, settings.paths.main_cf):
        with scratch_directory("postfix") as place:
            write_file(place / "main.cf", read_file(copy) or b"", mode=0o600)
            yield postconf.set_values(place)


def _remove_socket_directory(settings: Settings) -> None:
    """Remove the socket's directory when nothing is in it."""
    socket = parse_socket(settings.signing.socket)
    if socket.is_unix and dirname(socket.path).endswith("/opendkim"):
        with suppress(OSError, Refused, DiskError):
            remove_directory(settings.at(dirname(socket.path)))
