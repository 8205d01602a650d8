"""The names that files and directories have until they get their own, and how one sees that their run was killed.

A name holds the process and a mark of this boot and its process numbers, so that another run can see that the process
has ended. Where it cannot, as after a reboot or in another container, only age shows it.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import reason

TEMPORARY_PREFIX = ".dkimctl-"
WHOLE = ".batch"
"""Ends the name of a directory that goes with all the directories and files in it; of another, only what is empty."""
_NAME = re.compile(re.escape(TEMPORARY_PREFIX) + r"(?:([0-9a-f]{8})-([0-9a-f]{1,8})-)?[0-9a-f]{16}(?:\.batch)?")
_OLD = 86_400
"""Seconds after which no run is still at work."""
_UNKNOWN = "00000000"


def temporary_name() -> str:
    """Return a new name, with which nothing else is called."""
    return f"{TEMPORARY_PREFIX}{_mark()}-{os.getpid():x}-{os.urandom(8).hex()}"


def is_left(name: str, status: os.stat_result) -> bool:
    """Return True when this is such a name, of the caller's making as far as root is not the caller, of a dead run."""
    match = _NAME.fullmatch(name)
    if match is None or os.geteuid() not in (0, status.st_uid):
        return False
    if match[1] is not None and match[1] == _mark() != _UNKNOWN:
        return not _is_alive(int(match[2], 16))
    return status.st_ctime < SYSTEM_CLOCK.now().timestamp() - _OLD


@contextmanager
def removing(path: str) -> Iterator[None]:
    """Name what the block cannot remove, and go on: the next run that writes there removes it."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        import logging  # only here: it takes longer to load than all the rest

        logging.getLogger(__name__).warning("%s could not be removed: %s", path, reason(error))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


@cache
def _mark() -> str:
    """Return a mark of this boot and of the name space in which processes are numbered; zeros without /proc."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read()
        place = os.stat("/proc/self/ns/pid")
    except OSError:
        return _UNKNOWN
    return blake2b(b"%b %d %d" % (boot, place.st_dev, place.st_ino), digest_size=4).hexdigest()
