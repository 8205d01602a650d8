"""The user that a child process runs as."""

import os
import pwd
from typing import NamedTuple

from dkimctl.errors import Unavailable


class Identity(NamedTuple):
    """Numbers of a user, of its primary group, and of all its groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @classmethod
    def named(cls, name: str) -> "Identity":
        """Return this machine's user of that name, with the groups of initgroups(3). Raises Unavailable."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError as error:
            raise Unavailable(f"no such user: {name}", hint="see the users with: getent passwd") from error
        return cls(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))

    @property
    def is_ours(self) -> bool:
        """Return whether this process runs as that user already."""
        return self.uid == os.geteuid()
