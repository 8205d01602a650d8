"""What a killed run leaves in a key directory: repaired by the next one, or named where it is not ours to change."""

import os
import stat
from pathlib import Path

from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files import Owner, make_directory, open_folder, settle_directory


def make_domain_directory(directory: Path, owner: Owner) -> None:
    """Make the directory of a domain; correct one that the daemon cannot enter. Raises DiskError, Refused."""
    if make_directory(directory, mode=0o700, owner=owner) or os.geteuid() != 0:
        return
    with disk_errors(f"look at {directory}"), open_folder(directory) as folder:
        can_pass = owner.has(os.fstat(folder.descriptor), stat.S_IXUSR)
    if not can_pass:
        settle_directory(directory, mode=0o700, owner=owner)


def settle_key_file(path: Path, owner: Owner, *, is_ours: bool) -> None:
    """Remove second names of keys next to `path`, where its directory is of our making (`is_ours`).

    Raises Refused when `owner` cannot read the key, whose cause is not ours to change. DiskError.
    """
    with disk_errors(f"look at {path}"), open_folder(path.parent) as folder:
        if is_ours:
            folder.remove_leftovers()
        status = os.stat(path.name, dir_fd=folder.descriptor)
    if os.geteuid() == 0 and not owner.has(status, stat.S_IRUSR):
        mode = stat.S_IMODE(status.st_mode)
        look, give = "see whose file it is: ls -l", f"if it is the right key: chown -h {shell_word(owner.label)}"
        raise Refused(
            f"{path} belongs to {Owner.of(status).label} (mode {mode:04o}): {owner.label} cannot read it",
            hint=f"{look if status.st_nlink > 1 else give} {shell_word(path)}",
        )
