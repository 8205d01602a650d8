"""Users and groups: this machine's, or those of the tree below `--root`."""

import grp
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dkimctl.files import is_live, read_file


@dataclass(frozen=True, slots=True)
class Account:
    """A user, with the groups that initgroups(3) would give."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """Includes the primary group."""

    def may(self, bits: int, mode: int, uid: int, gid: int) -> bool:
        """Return True when a file of this mode, user and group grants all of `bits` (4 read, 2 write, 1 search)."""
        shift = 6 if uid == self.uid else 3 if gid in self.groups else 0
        return self.uid == 0 or mode >> shift & bits == bits


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its listed members."""

    name: str
    gid: int
    members: tuple[str, ...]


@dataclass
class Accounts:
    """The users, in the order of the database as (name, uid, primary gid), and the groups."""

    users: tuple[tuple[str, int, int], ...]
    groups: tuple[Group, ...]

    @cached_property
    def by_gid(self) -> Mapping[int, Group]:
        """The groups by number."""
        return {group.gid: group for group in reversed(self.groups)}

    @cached_property
    def primary(self) -> Mapping[int, tuple[tuple[str, int], ...]]:
        """Users with their numbers, by the number of their primary group."""
        found: dict[int, list[tuple[str, int]]] = {}
        for name, uid, gid in self.users:
            found.setdefault(gid, []).append((name, uid))
        return {gid: tuple(users) for gid, users in found.items()}

    def account(self, name: str) -> Account | None:
        """Return the user of this name or number, or None."""
        for user, uid, gid in self.users:
            if name in (user, str(uid)):
                others = sorted(g.gid for g in self.groups if user in g.members and g.gid != gid)
                return Account(user, uid, gid, (gid, *others))
        return None

    def group(self, name: str) -> Group | None:
        """Return the group of this name or number, or None."""
        return next((g for g in self.groups if name in (g.name, str(g.gid))), None)

    def user_name(self, uid: int) -> str:
        """Return the name for a number, or the number."""
        return next((name for name, number, _ in self.users if number == uid), str(uid))

    def group_name(self, gid: int) -> str:
        """Return the name for a number, or the number."""
        found = self.by_gid.get(gid)
        return found.name if found else str(gid)


def read_accounts(root: Path) -> Accounts:
    """Return the users and groups of the tree, where it has an /etc/passwd; else those of this machine."""
    if not is_live(root):
        passwd, group = read_file(root / "etc/passwd"), read_file(root / "etc/group")
        if passwd is not None and group is not None:
            return Accounts(tuple(_users(passwd)), tuple(_groups(group)))
    users = tuple((p.pw_name, p.pw_uid, p.pw_gid) for p in pwd.getpwall())
    return Accounts(users, tuple(Group(g.gr_name, g.gr_gid, tuple(g.gr_mem)) for g in grp.getgrall()))


def _users(content: bytes) -> list[tuple[str, int, int]]:
    rows = (line.split(":") for line in content.decode("utf-8", "replace").splitlines())
    return [
        (row[0], int(row[2]), int(row[3])) for row in rows if len(row) > 3 and row[2].isdecimal() and row[3].isdecimal()
    ]


def _groups(content: bytes) -> list[Group]:
    rows = (line.split(":") for line in content.decode("utf-8", "replace").splitlines())
    return [
        Group(row[0], int(row[2]), tuple(filter(None, row[3].split(","))))
        for row in rows
        if len(row) > 3 and row[2].isdecimal()
    ]


def may_become(account: Account) -> bool:
    """Return whether this process can run as that user."""
    return os.geteuid() in (0, account.uid)
