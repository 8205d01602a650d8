"""Can another user open these files? The only way to know is to try it as that user.

A program of its own does it (`opener`), not a fork of this process: a fork has root's memory, and its user could stop
it or write its answer. What comes back is two octets a path, read as numbers and as nothing else; it has a minute, and
a little more for many paths.
"""

import errno
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from dkimctl.errors import Unavailable
from dkimctl.programs.child import PATIENCE, run_command
from dkimctl.programs.identity import Identity
from dkimctl.programs.opener import NOT_REGULAR

__all__ = ["NOT_REGULAR", "open_results"]
_OPENER = Path(__file__).with_name("opener.py")
_A_SECOND = 1000  # paths tried in a second, by a slow disk


def open_results(paths: Sequence[str], user: Identity, root: Path) -> list[int]:
    """For each path return the errno of opening it for reading as `user` with `root` as `/`.

    0 when it can be opened, NOT_REGULAR for a directory or a device. Only root may name another user than the caller,
    or another `root` than `/`. Raises Unavailable when it could not be tried.
    """
    if not paths:
        return []
    asked = [path for path in paths if "\0" not in path]
    numbers = [str(user.uid), str(user.gid), ",".join(map(str, {user.gid, *user.groups}))]
    command = [sys.executable, "-I", "-S", str(_OPENER), *numbers, str(root.absolute())]
    message = b"".join(os.fsencode(path) + b"\0" for path in asked)
    within = PATIENCE + len(asked) / _A_SECOND
    code, answer, _ = run_command(command, f"opening files as uid {user.uid}", input=message, within=within)
    if code != 0 or len(answer) != 2 * len(asked):
        raise Unavailable(
            f"cannot try to open files as uid {user.uid}", hint="only root can do it: run it as root (sudo dkimctl …)"
        )
    found = iter(struct.unpack(f">{len(asked)}h", answer))
    return [errno.EINVAL if "\0" in path else next(found) for path in paths]
