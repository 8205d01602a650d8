"""The open directories of a key store: its own, kept open, and that of each domain while it is read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files import Folder, is_live, open_folder, tree_of


class DomainFolders:
    """The directory at `path` and the directories of domains in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: Folder | None = None

    def __del__(self) -> None:
        if self._base is not None:
            self._base.close()

    def base(self) -> Folder | None:
        """Return the store's own directory, kept open while it exists; None when it does not. Raises OSError."""
        if self._base is not None and not self._base.is_removed:
            return self._base
        try:
            if is_live(tree_of(self._path)):  # below --root the kernel would follow absolute links out of the tree
                os.stat(self._path)  # for each name of a list: one call, where the walk to nothing needs dozens
            with open_folder(self._path) as folder:
                self._base = folder.again()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._base

    @contextmanager
    def of(self, domain: str) -> Iterator[Folder | None]:
        """Open the directory of a domain, or the store's own for an empty name; None when missing.

        Raises DiskError, and Refused for a link that others could have planted.
        """
        with disk_errors(f"read {self._path}/{domain}"):
            base = self.base()
            if base is None or not domain:
                yield base
                return
            folder = self._enter(base, domain)
            try:
                yield folder
            finally:
                if folder is not None:
                    folder.close()

    def _enter(self, base: Folder, domain: str) -> Folder | None:
        try:
            return base.enter(domain)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        try:
            with open_folder(self._path / domain) as folder:  # a link
                return folder.again()
        except (FileNotFoundError, NotADirectoryError):
            return None
