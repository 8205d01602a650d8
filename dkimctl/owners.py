"""Users and groups by name or number, of this system or of a tree with its own /etc/passwd."""

import os
from pathlib import Path

from dkimctl.errors import UsageError, shell_word
from dkimctl.files import Owner, is_live, read_file

_NOBODY = (1 << 32) - 1  # chown(2) takes it for "no change"


def find_owner(text: str, root: Path = Path("/")) -> Owner:
    """Return the owner of `USER`, `USER:GROUP` or numbers. Raises UsageError when there is no such user or group.

    Below a `root` with an /etc/passwd of its own the names are those of that tree.
    """
    import grp
    import pwd

    user, _, group = text.partition(":")
    if not is_live(root) and all(os.path.isfile(root / name) for name in ("etc/passwd", "etc/group")):
        return _owner_below(root, user, group)
    try:
        entry = pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(user)
    except (KeyError, OverflowError) as error:
        raise UsageError(f"no such user: {user}", hint="see the users with: getent passwd") from error
    try:
        asked = group or str(entry.pw_gid)
        members = grp.getgrgid(int(asked)) if _is_number(asked) else grp.getgrnam(asked)
    except (KeyError, OverflowError) as error:
        raise UsageError(f"no such group: {asked}", hint="see the groups with: getent group") from error
    return Owner(entry.pw_uid, members.gr_gid, text if group else f"{user}:{members.gr_name}")


def find_daemon(owner: str, root: Path) -> Owner | None:
    """Return the daemon's user and group, or None where they do not exist."""
    try:
        return find_owner(owner, root)
    except UsageError:
        return None


def _owner_below(root: Path, user: str, group: str) -> Owner:
    entry = _row(root / "etc/passwd", user)
    members = _row(root / "etc/group", group or entry[3])
    return Owner(int(entry[2]), int(members[2]), f"{user}:{group or members[0]}")


def _row(path: Path, name: str) -> list[str]:
    """Return the fields of a user or group, by name or number, in a passwd(5) or group(5) file."""
    for line in (read_file(path) or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and name in (fields[0], fields[2]) and _is_number(fields[2]) and int(fields[2]) < _NOBODY:
            return fields
    raise UsageError(f"no such user or group in {path}: {name}", hint=f"see who is there: cat {shell_word(path)}")


def _is_number(text: str) -> bool:
    """Return True for the number of a user or group, which has at most 10 digits."""
    return text.isdecimal() and len(text) <= 10
