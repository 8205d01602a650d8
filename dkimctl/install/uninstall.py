"""Everything of dkimctl taken out of the daemons' configuration again: mail flows as it did before. Keys stay.

All files change together or none does; a copy of each is kept, by which the same command sees after a kill which daemon
was not told.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from os.path import dirname

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused
from dkimctl.files import (
    Owner,
    Staged,
    Version,
    is_there,
    remove_directory,
    staged_file,
    staged_removal,
    status_of,
    version_at,
)
from dkimctl.install.backup import backed_up
from dkimctl.install.journal import ADOPTION, INSTALLATION
from dkimctl.install.leftovers import tidy_beside
from dkimctl.install.lock import configuration_lock
from dkimctl.install.missed import postfix_missed_reload, signer_missed_restart
from dkimctl.install.switch import reload_postfix
from dkimctl.install.transaction import all_or_nothing
from dkimctl.install.without import Planned, Removal, other_files, planned_files, postfix_without, unused_copies
from dkimctl.install.write import remove_replaced, staged_main_cf
from dkimctl.keys.store import KeyReader
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.signers.registry import signer_of
from dkimctl.signers.service import Action, ReloadResult, Running, reload_daemon


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
        return any(daemon.waits for daemon in self.daemons)


def uninstall(settings: Settings, store: KeyReader, *, now: datetime, dry_run: bool = False) -> Removed:
    """Take dkimctl's lines out of every file, and have Postfix and the signer read them, Postfix first.

    A signer's own copies of keys that are in the store go once it has read that. Raises Refused for an adopted
    installation, which `adopt --undo` gives back, and DiskError; nothing is changed then.
    """
    path = ADOPTION.path(settings)
    if is_there(settings.at(path)):
        raise Refused(f"this installation was adopted ({path})", hint="give it back first: sudo dkimctl adopt --undo")
    with configuration_lock(settings):
        tidy_beside(other_files(settings), settings)
        plan, postfix = list(planned_files(settings)), postfix_without(settings)
        copies = list(unused_copies(settings, store, {planned.path for planned in plan}))
        files = tuple(Taken(planned.path, planned.outcome) for planned in plan)
        files += tuple(Taken(path, Removal.REMOVED) for path in copies)
        if dry_run:
            return Removed(files, postfix, "", ())
        before = signer_of(settings).running(settings)
        backup = _switch(settings, plan, postfix, now)
        daemons = tuple(_told(settings, before, plan, postfix)) if settings.is_live else ()
        remove_replaced([INSTALLATION.path(settings)], settings)
    _remove_socket_directory(settings)
    removed = Removed(files, postfix, backup, daemons)
    if removed.waits:  # until its restart the daemon reads the copies; the next run removes them
        return replace(removed, files=tuple(taken for taken in files if taken.path not in copies))
    _remove_copies(copies, settings)
    return removed


def _told(
    settings: Settings, before: Running, plan: Collection[Planned], postfix: Mapping[str, str | None]
) -> Iterator[ReloadResult]:
    """Have the daemons read what has changed, now or in a run that was killed. Raises Unavailable."""
    if postfix or postfix_missed_reload(settings):
        yield reload_postfix(settings)
    paths = [settings.paths.opendkim_conf, *other_files(settings)]
    if not (plan or signer_missed_restart(before.pid, paths, settings)):
        return
    told = reload_daemon(Action.RESTART, signer_of(settings).service(settings), before.pid)
    if told.step is not Action.START:  # a stopped one has nothing to sign
        yield told


def _remove_copies(copies: Collection[str], settings: Settings) -> None:
    remove_replaced(copies, settings)
    for directory in {dirname(path) for path in copies if "/dkimctl/" in path}:  # not one of the package's
        with suppress(OSError, Refused, DiskError):
            remove_directory(settings.at(directory))


def _switch(settings: Settings, plan: list[Planned], postfix: Mapping[str, str | None], now: datetime) -> str:
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


def _staged(planned: Planned, settings: Settings) -> AbstractContextManager[Staged]:
    path = settings.at(planned.path)
    if planned.content is None:
        return staged_removal(path)
    status = status_of(path)
    mode, owner = planned.status or (status.st_mode & 0o7777 if status else 0o644, status and Owner.of(status))
    return staged_file(path, [planned.content], mode=mode, owner=owner if os.geteuid() == 0 else None)


def _remove_socket_directory(settings: Settings) -> None:
    """Remove the socket's directory when nothing is in it."""
    socket = parse_socket(settings.signing.socket)
    if socket.is_unix and dirname(socket.path).endswith("/opendkim"):
        with suppress(OSError, Refused, DiskError):
            remove_directory(settings.at(dirname(socket.path)))
