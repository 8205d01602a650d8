"""The open directories of a key store: its own, kept open, and that of each domain while it is read."""

import errno
import os
from pathlib import Path

from dkimctl.errors import disk_error
from dkimctl.files import Folder, open_folder


class DomainFolders:
    """The directory at `path` and the directories of domains in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown = str(path)
        self._base: Folder | None = None
        self._nearest: Folder | None = None
        self._missing = ""

    def __del__(self) -> None:
        for folder in (self._base, self._nearest):
            if folder is not None:
                folder.close()

    def base(self) -> Folder | None:
        """Return the store's own directory, kept open while it exists; None when it does not. Raises OSError."""
        if self._base is not None:
            if not self._base.is_removed:
                return self._base
            self._base.close()
            self._base = None
        if not self._is_still_missing():
            try:
                with open_folder(self._path, self._note) as folder:
                    self._base = folder.again()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return self._base

    def _note(self, folder: Folder, name: str, _is_last: bool) -> None:
        """Remember where the way to the store ends: one call for each name of a list shows that it still does."""
        if self._nearest is not None:
            self._nearest.close()
        self._nearest, self._missing = Folder.opened(os.dup(folder.descriptor), folder.path), name
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), folder.shown(name))

    def _is_still_missing(self) -> bool:
        return self._nearest is not None and not self._nearest.is_removed and not self._nearest.has(self._missing)

    def of(self, domain: str) -> "_Visit":
        """Open the directory of a domain for a block, or the store's own for an empty name; None when missing.

        The block raises DiskError instead of OSError, and Refused for a link that others could have planted.
        """
        return _Visit(self, domain)

    def at(self, domain: str) -> str:
        """The path of a domain's directory, for messages."""
        return f"{self._shown}/{domain}"

    def enter(self, domain: str) -> Folder | None:
        """Open the directory of a domain, which the caller closes; None when missing. Raises OSError, Refused."""
        base = self._base or self.base()
        if base is None:
            return None
        try:
            return base.enter(domain)
        except FileNotFoundError:
            # nothing is in a directory that was removed, and another one may have its name by now
            return self.enter(domain) if base.is_removed and self.base() else None
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        try:
            with open_folder(self._path / domain) as folder:  # a link
                return folder.again()
        except (FileNotFoundError, NotADirectoryError):
            return None


class _Visit:
    """The context manager of `DomainFolders.of`: as a generator it would take a third of the time to read a key."""

    __slots__ = ("_domain", "_entered", "_folders")

    def __init__(self, folders: DomainFolders, domain: str) -> None:
        self._folders = folders
        self._domain = domain
        self._entered: Folder | None = None

    def __enter__(self) -> Folder | None:
        try:
            if not self._domain:
                return self._folders.base()
            self._entered = self._folders.enter(self._domain)
        except OSError as error:
            raise disk_error(f"read {self._folders.at(self._domain)}", error) from error
        return self._entered

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._entered is not None:
            self._entered.close()
        if isinstance(error, OSError):
            raise disk_error(f"read {self._folders.at(self._domain)}", error) from error
