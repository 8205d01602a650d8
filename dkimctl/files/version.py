"""Which version of a file was read: to notice a change by another program before it is replaced."""

import os
from pathlib import Path
from typing import NamedTuple

from dkimctl.errors import Unavailable, shell_word
from dkimctl.files.reading import status_of


class Version(NamedTuple):
    """A file as it was when it was read. A file that is replaced, or written in place, has another version."""

    device: int
    inode: int
    size: int
    changed: int
    """Its modification time, in nanoseconds since 1970."""

    @classmethod
    def of(cls, status: os.stat_result) -> "Version":
        """Return the version of the file with this status."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def version_at(path: Path) -> Version | None:
    """Return the version of the file at `path`, links followed; None when there is none. Raises DiskError."""
    status = status_of(path)
    return None if status is None else Version.of(status)


class FileChanged(Unavailable):
    """Another program changed a file between the moment it was read and the moment it was to be replaced."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} was changed by another program meanwhile",
            hint=f"see who edits it, then run the same command again: ls -l {shell_word(path)}",
        )
