"""opendkim's own judgement about a private key file, message for message (`dkimf_loadkey`, `dkimf_securefile`).

The daemon opens the key as its own user for every message, then looks at each node of the resolved path from `/` to
the file. The directory of a symbolic link itself is not checked. Sticky bits do not help: nothing below /tmp is safe.
"""

import errno
import os
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dkimctl.files import is_live
from dkimctl.host.accounts import Account, Accounts

_MOST_LINKS = 40  # as the kernel


class Danger(StrEnum):
    """Reason why a node is unsafe."""

    FILE_OWNER = "file owner"
    FILE_GROUP = "file group"
    FILE_OTHERS = "file others"
    DIRECTORY_OTHERS = "directory others"
    DIRECTORY_GROUP = "directory group"
    DIRECTORY_OWNER = "directory owner"


@dataclass(frozen=True, slots=True)
class Unsafe:
    """The first node at which the daemon stops."""

    danger: Danger
    node: str
    """As the daemon sees it (without `--root`)."""
    text: str
    """What the daemon logs after `key data is not secure: `."""
    mode: int
    owner: str
    """USER:GROUP of the node."""


@dataclass
class Walk:
    """Walks key paths for one user; every directory is judged once."""

    account: Account
    accounts: Accounts
    root: Path = Path("/")
    _judged: dict[str, Unsafe | None] = field(default_factory=dict)
    _resolved: dict[str, str] = field(default_factory=dict)
    _before: str = field(init=False)

    def __post_init__(self) -> None:
        self._before = "" if is_live(self.root) else str(self.root)

    def judge(self, path: str) -> Unsafe | None:
        """Return why the key at `path` is unsafe, or None. Raises OSError when a node cannot be examined."""
        real = self._resolve(path)
        place = os.path.dirname(real)
        return self._directory(place) or self._node(real)

    def _resolve(self, path: str) -> str:
        """Return the same as `resolve`, examining each directory once."""
        if path in self._resolved or path in ("", "/"):
            return self._resolved.get(path, "/")
        place, name = os.path.split(path)
        if name in ("", ".", "..") or os.path.islink(self._before + path):
            return resolve(path, self.root)
        return f"{self._resolved_directory(place).rstrip('/')}/{name}"

    def _resolved_directory(self, path: str) -> str:
        if path not in self._resolved:
            self._resolved[path] = self._resolve(path)
        return self._resolved[path]

    def _directory(self, path: str) -> Unsafe | None:
        if path not in self._judged:
            above = self._directory(os.path.dirname(path)) if path != "/" else None
            self._judged[path] = above or self._node(path)
        return self._judged[path]

    def _node(self, path: str) -> Unsafe | None:
        status = os.stat(self._before + path)
        if stat.S_ISREG(status.st_mode):
            found = self._file(path, status)
        elif stat.S_ISDIR(status.st_mode):
            found = self._folder(path, status)
        else:
            return None
        if found is None:
            return None
        owner = f"{self.accounts.user_name(status.st_uid)}:{self.accounts.group_name(status.st_gid)}"
        return Unsafe(found[0], path, found[1], stat.S_IMODE(status.st_mode), owner)

    def _file(self, path: str, status: os.stat_result) -> tuple[Danger, str] | None:
        if status.st_uid not in (0, self.account.uid):
            return (
                Danger.FILE_OWNER,
                f"{path} is not owned by the executing uid ({self.account.uid}){self._or_root}",
            )
        if status.st_mode & 0o060 and (crowd := self._crowd(path, "e.g.", status.st_gid)):
            return Danger.FILE_GROUP, crowd
        if status.st_mode & 0o006:
            return Danger.FILE_OTHERS, f"{path} can be read or written by other users"
        return None

    def _folder(self, path: str, status: os.stat_result) -> tuple[Danger, str] | None:
        if status.st_mode & 0o002:
            return Danger.DIRECTORY_OTHERS, f"{path} can be read or written by other users"
        # the daemon's message has its user here, not the path
        if status.st_mode & 0o020 and (crowd := self._crowd(self.account.name, "e.g.,", status.st_gid)):
            return Danger.DIRECTORY_GROUP, crowd
        if status.st_mode & 0o200 and status.st_uid not in (0, self.account.uid):
            text = f"{path} is writeable and owned by uid {status.st_uid} which is not the executing uid"
            return Danger.DIRECTORY_OWNER, f"{text} ({self.account.uid}){self._or_root}"
        return None

    @property
    def _or_root(self) -> str:
        return " or the superuser" if self.account.uid else ""

    def _crowd(self, label: str, such_as: str, gid: int) -> str:
        """Return the daemon's message when the group has other members than the daemon and root; else empty."""
        group = self.accounts.by_gid.get(gid)
        others = [name for name, uid in self.accounts.primary.get(gid, ()) if uid not in (self.account.uid, 0)]
        if not others and group is not None:
            others = [name for name in group.members if name not in (self.account.name, "root")]
        if others:
            return f'{label} is in group {gid} which has multiple users ({such_as} "{others[0]}")'
        return "" if group is not None else label  # a number without a group: unsafe, with junk for a text


def resolve(path: str, root: Path) -> str:
    """Return realpath(3) for a process whose `/` is `root`. Raises OSError."""
    if is_live(root):
        return os.path.realpath(path, strict=True)
    done = ""
    waiting = [part for part in reversed(path.split("/")) if part]
    links = 0
    while waiting:
        part = waiting.pop()
        if part in (".", ".."):
            done = done if part == "." else os.path.dirname(done).rstrip("/")
            continue
        here = f"{root}{done}/{part}"
        if not stat.S_ISLNK(os.lstat(here).st_mode):
            done = f"{done}/{part}"
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, "Too many levels of symbolic links", path)
        target = str(Path(here).readlink())
        done = "" if target.startswith("/") else done
        waiting += [p for p in reversed(target.split("/")) if p]
    return done or "/"
