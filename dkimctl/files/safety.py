"""Whether others could plant or swap files in a directory."""

import os
import stat
from pathlib import Path

from dkimctl.errors import Refused, disk_errors, shell_word
from dkimctl.files.owner import Owner
from dkimctl.files.place import ROOT, tree_of
from dkimctl.files.walk import open_chain


def refuse_shared_directory(directory: Path, owner: Owner) -> None:
    """Raise Refused when someone else could plant or swap files in `directory` or in a directory above it.

    What is not there yet is passed over. The rule of opendkim's own check (`dkimf_checkfsnode`), with one relief: a
    sticky directory such as /tmp is let pass above, because nobody can swap another's entry in it (the daemon still
    refuses keys below it).
    """
    tree = tree_of(directory)
    for path in (directory, *([tree] if tree != ROOT else [])):
        with disk_errors(f"look at {path}"), open_chain(path) as (folders, is_whole):
            for folder in reversed(folders):
                is_last = is_whole and folder is folders[-1] and path is directory
                problem = _shared_problem(os.fstat(folder.descriptor), owner, sticky_is_fine=not is_last)
                if problem:
                    raise Refused(
                        f"{folder.path} {problem}, so a private key below it would not be safe",
                        hint=f"chmod go-w {shell_word(folder.path)}, or choose another place with -D",
                    )


def _shared_problem(status: os.stat_result, owner: Owner, *, sticky_is_fine: bool) -> str:
    sticky = sticky_is_fine and status.st_mode & stat.S_ISVTX
    if status.st_mode & stat.S_IWOTH and not sticky:
        return "can be written by other users"
    if status.st_mode & stat.S_IWGRP and not sticky and status.st_gid not in (0, owner.gid):
        return f"can be written by group {status.st_gid}"
    if status.st_uid not in (0, owner.uid, os.geteuid()):
        return f"belongs to another user (uid {status.st_uid})"
    return ""
