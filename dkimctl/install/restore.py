"""Undoing an installation from its backup."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, disk_errors
from dkimctl.files import ANY, Owner, Staged, open_file, staged_file, staged_removal
from dkimctl.install.compare import Change
from dkimctl.install.leftovers import tidy_beside
from dkimctl.install.lock import configuration_lock
from dkimctl.install.transaction import all_or_nothing
from dkimctl.install.write import Installed


def restore(installed: Installed, settings: Settings) -> None:
    """Put back every file that the installation changed, and remove those it made; directories stay.

    All of them or none. Raises FileChanged when another program changed one, DiskError when one cannot be written;
    the copies in the backup stay in any case.
    """
    with configuration_lock(settings), ExitStack() as stack:
        tidy_beside([change.path for change in installed.changed.files], settings)
        steps: list[tuple[str, Staged]] = []
        if installed.changed.postfix:
            main_cf = settings.paths.main_cf
            steps.append((main_cf, stack.enter_context(_old(main_cf, installed, settings))))
        # opendkim.conf is the last of the files: it goes first, so that it never names a table that is gone
        for change in reversed(installed.changed.files):
            is_new = change.change is Change.NEW
            old = staged_removal(settings.at(change.path)) if is_new else _old(change.path, installed, settings)
            steps.append((change.path, stack.enter_context(old)))
        with _old_files_named(installed), all_or_nothing() as put:
            for path, staged in steps:
                put(staged, installed.versions.get(path, ANY))


@contextmanager
def _old_files_named(installed: Installed) -> Iterator[None]:
    """Add to an error where the old files are."""
    try:
        yield
    except DkimctlError as error:
        if installed.backup:
            error.message += f"; the old files are in {installed.backup}"
            error.args = (error.message,)
        raise


@contextmanager
def _old(path: str, installed: Installed, settings: Settings) -> Iterator[Staged]:
    kept = settings.at(installed.backup) / path.lstrip("/")
    with ExitStack() as stack:
        with disk_errors(f"read {kept}"), open_file(kept) as stream:
            status = os.fstat(stream.fileno())
            owner = Owner.of(status) if os.geteuid() == 0 else None
            mode = stat.S_IMODE(status.st_mode)
            staged = stack.enter_context(staged_file(settings.at(path), stream, mode=mode, owner=owner, follow=True))
        yield staged
