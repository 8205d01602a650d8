"""Run by `open_as_user` as a program of its own: try to open files as another user, and answer with numbers only.

Arguments: user, group, all groups (with commas), the directory that becomes `/`. stdin: the paths, each ended by NUL.
stdout: for each path two octets, the errno of opening it, 0 when it can be opened, NOT_REGULAR for a directory or a
device. Nothing is imported from anywhere but Python's own library, and nothing after the rights are given up.
"""

import errno
import os
import resource
import stat
import struct
import sys

NOT_REGULAR = -1
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


def main(uid: int, gid: int, groups: list[int], root: str) -> None:
    """Give up everything that is not the user's, then try the paths."""
    import ctypes  # only here: importers of NOT_REGULAR do without it

    paths = sys.stdin.buffer.read().split(b"\0")[:-1]
    prctl = ctypes.CDLL(None).prctl
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if root != "/":
        os.chroot(root)
    os.chdir("/")
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    # after the change of user, which sets it again: the user may neither trace this process nor read its memory
    if prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) or prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return
    with open(1, "wb") as answer:
        answer.write(b"".join(struct.pack(">h", result_of(path)) for path in paths))


def result_of(path: bytes | str) -> int:
    """Return the errno of opening a file for reading, 0 when it works, NOT_REGULAR when it is not a regular file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return NOT_REGULAR  # opening a device may do something
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:  # NUL in a path
        return errno.EINVAL
    try:
        return 0 if stat.S_ISREG(os.fstat(descriptor).st_mode) else NOT_REGULAR
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(group) for group in sys.argv[3].split(",")], sys.argv[4])
