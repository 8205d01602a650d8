"""Undoing an installation from its backup."""

import os
import stat

from dkimctl.config.settings import Settings
from dkimctl.errors import disk_errors
from dkimctl.files import Owner, locked, open_file, remove_file, write_file
from dkimctl.install.compare import Change
from dkimctl.install.write import Installed


def restore(installed: Installed, settings: Settings) -> None:
    """Put back every file that the installation changed, and remove those it made; directories stay.

    Raises DiskError; what was not put back yet can still be taken from the backup by hand.
    """
    with locked(settings.at(settings.paths.opendkim_directory)):
        if installed.changed.postfix:
            _put_back(f"{settings.paths.postfix_directory}/main.cf", installed, settings)
        # opendkim.conf is the last of the files: it goes first, so that it never names a table that is gone
        for change in reversed(installed.changed.files):
            if change.change is Change.NEW:
                remove_file(settings.at(change.path))
            else:
                _put_back(change.path, installed, settings)


def _put_back(path: str, installed: Installed, settings: Settings) -> None:
    kept = settings.at(installed.backup) / path.lstrip("/")
    with disk_errors(f"read {kept}"), open_file(kept) as stream:
        status = os.fstat(stream.fileno())
        owner = Owner.of(status) if os.geteuid() == 0 else None
        write_file(settings.at(path), stream, mode=stat.S_IMODE(status.st_mode), owner=owner)
