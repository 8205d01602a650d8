"""Files that the daemon's user can or cannot open."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from dkimctl.files import is_live
from dkimctl.host.accounts import Account
from dkimctl.host.keysafety import resolve
from dkimctl.programs import open_as_user
from dkimctl.programs.identity import Identity
from dkimctl.programs.opener import NOT_REGULAR, result_of


def failure_text(result: int) -> str:
    """Return why a file could not be opened, as text for messages; `result`: one of `open_results`."""
    return "not a regular file" if result == NOT_REGULAR else os.strerror(result).lower()


def open_results(account: Account, root: Path, paths: Sequence[str]) -> list[int]:
    """Return, for each path, the errno of opening it as that user with `root` as `/`; 0 when it can be opened.

    NOT_REGULAR stands for a directory or a device. Only root may name another user than the caller. Raises Unavailable
    when it could not be tried.
    """
    user = Identity(account.uid, account.gid, account.groups)
    if user.is_ours:
        return [_own_result(path, root) for path in paths]
    return open_as_user.open_results(paths, user, root)


def _own_result(path: str, root: Path) -> int:
    """Return the errno of opening a file as this process, with links resolved below `root`, as chroot(2) needs root."""
    if is_live(root):
        return result_of(path)
    try:
        return result_of(f"{root}{resolve(path, root)}")
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:  # NUL in a path
        return errno.EINVAL
