"""A file that grows line by line: a log, or the notes of what is done."""

import os
import re
from pathlib import Path
from typing import IO

from dkimctl.errors import Refused, disk_errors
from dkimctl.files.walk import open_parent

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_OWN_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr|fd/[0-9]+)|/proc/self/fd/[0-9]+")
"""What a shell's `>(command)` is called; no directory on the way has a link that leads there."""


def open_log(path: Path | str, *, encoding: str = "utf-8") -> IO[str]:
    """Open a text file that the user named, to be read and added to; made when it is missing.

    Raises DiskError, and Refused where others can write in its directory, for a file that they could have put there.
    """
    with disk_errors(f"write {path}"):
        if _OWN_DESCRIPTOR.fullmatch(str(path)):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            return os.fdopen(descriptor, "w", encoding=encoding, errors="replace", newline="\n", buffering=1)
        with open_parent(path, follow=True) as (folder, name):
            descriptor = os.open(name, _FLAGS, 0o644, dir_fd=folder.descriptor)
            try:
                status = os.fstat(descriptor)
                if not folder.is_ours and (status.st_uid != os.geteuid() or status.st_nlink > 1):
                    raise Refused(
                        f"{path} may be another user's file, in a directory that others can write",
                        hint="name a file in a directory of your own",
                    )
                os.set_blocking(descriptor, True)
                return os.fdopen(descriptor, "a+", encoding=encoding, errors="replace", newline="\n", buffering=1)
            except BaseException:
                os.close(descriptor)
                raise
