"""Every touch of the disk: directories walked by descriptor, files whole or not at all, owner and mode before content.

    place        a path that stays below a tree's root
    walk         a path becomes an open directory and a name in it; no link is followed that others could have planted
    folder_reader  an open directory: its owner, the names in it, who else can change them
    folder       what is done in an open directory: make, write, create, remove
    temporary    the names until then, and how one sees that their run was killed
    rename       a name given without replacing another, and two names exchanged (renameat2)
    paths        the same by path: write_file, create_file, make_directory, remove_file, …
    version      which version of a file was read
    batch        private files of many directories, durable together before the first of them is in place
    staged       a file exchanged or removed so that it can be undone, and no change of another program is lost
    growing      a file to which lines are added
    reading      what a person named, what the system holds, and what lies in a directory that others can write
    safety       whether others could plant or swap files in a directory
    run_directory  where root keeps what lasts as long as a run
    lock         the one lock of a directory
    scratch      directories for as long as a block lasts, below a place that only root can write

No other module makes, changes, renames or removes anything on the disk. `kill -9` at any moment leaves the old file or
the new one, never half of one. What a killed run leaves has a name that starts with `.dkimctl-`; the next run that
writes in the directory removes it.
"""

from dkimctl.files.batch import Batch
from dkimctl.files.folder import Content, Folder
from dkimctl.files.growing import open_log
from dkimctl.files.lock import file_locked, folder_locked, locked
from dkimctl.files.owner import Owner, caller
from dkimctl.files.paths import (
    create_file,
    give,
    link_file,
    make_directory,
    refuse_link,
    remove_directory,
    remove_file,
    remove_tree,
    resolved,
    settle_directory,
    tidy,
    touch,
    write_file,
)
from dkimctl.files.place import Place, as_place, is_live, tree_of
from dkimctl.files.reading import (
    LinkFound,
    is_there,
    open_file,
    read_file,
    read_found,
    read_named,
    read_regular,
    read_trusted,
    read_untrusted,
    read_with_status,
    status_of,
)
from dkimctl.files.safety import refuse_shared_directory
from dkimctl.files.scratch import copy_tree, new_directory, new_file, scratch_directory
from dkimctl.files.staged import ANY, Expected, Staged, staged_file, staged_removal
from dkimctl.files.version import FileChanged, Version, version_at
from dkimctl.files.walk import open_folder

__all__ = [
    "ANY",
    "Batch",
    "Content",
    "Expected",
    "FileChanged",
    "Folder",
    "LinkFound",
    "Owner",
    "Place",
    "Staged",
    "Version",
    "as_place",
    "caller",
    "copy_tree",
    "create_file",
    "file_locked",
    "folder_locked",
    "give",
    "is_live",
    "is_there",
    "link_file",
    "locked",
    "make_directory",
    "new_directory",
    "new_file",
    "open_file",
    "open_folder",
    "open_log",
    "read_file",
    "read_found",
    "read_named",
    "read_regular",
    "read_trusted",
    "read_untrusted",
    "read_with_status",
    "refuse_link",
    "refuse_shared_directory",
    "remove_directory",
    "remove_file",
    "remove_tree",
    "resolved",
    "scratch_directory",
    "settle_directory",
    "staged_file",
    "staged_removal",
    "status_of",
    "tidy",
    "touch",
    "tree_of",
    "version_at",
    "write_file",
]
