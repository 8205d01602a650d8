"""A name given without replacing another, and two names exchanged: renameat2(2), which Python does not offer."""

import errno
import os
from contextlib import suppress
from functools import cache
from typing import Any

_NOREPLACE, _EXCHANGE = 1, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL)
"""What a kernel, or a file system such as NFS, answers that has no such rename."""


def rename_new(old: str, new: str, old_folder: int, new_folder: int) -> None:
    """Rename `old`, never onto something that is there: FileExistsError then. The folders are descriptors.

    Where the file system lacks this, a file is linked to its new name first: a kill between leaves it with both.
    """
    try:
        _rename(old, new, old_folder, new_folder, _NOREPLACE)
        return
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    try:
        os.link(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder, follow_symlinks=False)
    except PermissionError:  # a directory, which has one name only; rename(2) replaces none but an empty one
        os.rename(old, new, src_dir_fd=old_folder, dst_dir_fd=new_folder)
    else:
        with suppress(FileNotFoundError):  # another run that found both names has removed this one
            os.unlink(old, dir_fd=old_folder)


def exchange(one: str, other: str, one_folder: int, other_folder: int) -> None:
    """Exchange two names in one step. Raises OSError, with ENOSYS or EINVAL where that cannot be done here."""
    _rename(one, other, one_folder, other_folder, _EXCHANGE)


def _rename(old: str, new: str, old_folder: int, new_folder: int, flags: int) -> None:
    function, last_errno = _renameat2()
    while function is not None:
        if function(old_folder, os.fsencode(old), new_folder, os.fsencode(new), flags) == 0:
            return
        number = last_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number), new)
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


@cache
def _renameat2() -> tuple[Any, Any]:
    """The function of the C library and the one for its errno; None for the first where it has none."""
    import ctypes  # only here: it takes as long as to make a key directory

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function, ctypes.get_errno
