"""Doing as another user: the only way to know whether a daemon can open a file or connect to a socket is to do it."""

import errno
import os
import pickle
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dkimctl.host.accounts import Account

T = TypeVar("T")
NOT_REGULAR = -1
"""In place of an errno: it can be opened, but is no regular file."""


def as_user(account: Account, root: Path, work: Callable[[], T]) -> T:
    """The result of `work`, done in a child process as that user and with `root` as its `/`.

    Only root may name another user than the caller. Raises OSError when the child could not be started.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _in_child(account, root, work, reading, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    if not answer:
        raise OSError(errno.EPERM, f"cannot do as user {account.name} does")
    result: T = pickle.loads(answer)  # noqa: S301  from our own child
    return result


def _in_child(account: Account, root: Path, work: Callable[[], object], reading: int, writing: int) -> None:
    """Never returns."""
    try:
        os.close(reading)
        if root != Path("/"):
            os.chroot(root)
        os.chdir("/")
        if os.geteuid() != account.uid:
            os.setgroups(account.groups)
            os.setgid(account.gid)
            os.setuid(account.uid)
        with os.fdopen(writing, "wb") as stream:
            stream.write(pickle.dumps(work()))
    finally:
        os._exit(0)


def open_results(paths: Sequence[str]) -> list[int]:
    """For each path the errno of opening it for reading, 0 when it works, NOT_REGULAR for a directory or device."""
    return [_open_result(path) for path in paths]


def _open_result(path: str) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    try:
        return 0 if stat.S_ISREG(os.fstat(descriptor).st_mode) else NOT_REGULAR
    finally:
        os.close(descriptor)


def connect_result(path: str) -> int:
    """The errno of connecting to a Unix socket, 0 when it works."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(3)
        try:
            probe.connect(path)
        except OSError as error:
            return error.errno or errno.EIO
    return 0
