"""Whom a file belongs to."""

import os
from typing import NamedTuple


class Owner(NamedTuple):
    """A user and a group by number, with the names to show."""

    uid: int
    gid: int
    label: str

    @classmethod
    def of(cls, status: os.stat_result) -> "Owner":
        """The owner of what has this status, shown by number."""
        return cls(status.st_uid, status.st_gid, f"{status.st_uid}:{status.st_gid}")

    @property
    def is_caller(self) -> bool:
        """True when files made by this process belong to it anyway."""
        return self.uid == os.geteuid() and self.gid == os.getegid()

    def has(self, status: os.stat_result, right: int) -> bool:
        """Return whether this user has a right, given as the bit of the owner, such as `stat.S_IRUSR`. Root has all."""
        if self.uid == 0:
            return True
        shift = 0 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 6
        return bool(status.st_mode & (right >> shift))

    def owns(self, status: os.stat_result) -> bool:
        """True when user and group are those of what has this status."""
        return (status.st_uid, status.st_gid) == (self.uid, self.gid)


def caller() -> Owner:
    """Return the user and group that this process runs as."""
    return Owner(os.geteuid(), os.getegid(), f"{os.geteuid()}:{os.getegid()}")
