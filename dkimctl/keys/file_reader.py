"""The files of one key in a key directory: its metadata, its private key and the public half."""

import os
from collections.abc import Callable, Container
from pathlib import Path

from dkimctl.errors import Refused, disk_error
from dkimctl.files import Folder, LinkFound, Owner, caller, read_file, read_found, read_untrusted
from dkimctl.keys import metadata as meta
from dkimctl.keys import pair as pairs
from dkimctl.keys.file_names import NOTES, PRIVATE
from dkimctl.keys.folders import DomainFolders
from dkimctl.keys.foreign import parsed_metadata
from dkimctl.keys.metadata import WITHOUT_FILE, Metadata
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.places import KeyPlaces
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key


class KeyFileReader:
    """Reads the files of one key at a time.

    `path`: the directory on this disk; `shown`: its path in the daemon's configuration (without `--root`); `owner`:
    the owner of new keys; `named`: the key files in a table that only root can write, asked for only where metadata in
    a directory of the daemon's names a file elsewhere. Domains and selectors are expected to be checked names (see
    `dkimctl.names`).
    """

    def __init__(
        self,
        path: Path,
        *,
        shown: str | None = None,
        owner: Owner | None = None,
        named: Callable[[], Container[str]] = frozenset,
    ) -> None:
        self._path = path
        self._shown = shown or str(path)
        self._owner = owner or caller()
        self._owners = frozenset({self._owner.uid})
        self._named = named
        self._folders = DomainFolders(path)
        self._places = KeyPlaces(path, self._shown)

    def load(self, key: Key) -> KeyPair:
        """Return the key pair. Raises DiskError, Refused or CheckFailed."""
        return pairs.parse_private_key(*self._private(key))

    def public(self, key: Key) -> PublicKey:
        """Return the public half of the private key file. Raises DiskError, Refused or CheckFailed.

        Of a key that signs no more and whose file is gone, the public half that was noted.
        """
        return self._public(key)

    def _public(self, key: Key, folder: Folder | None = None) -> PublicKey:
        known = key.metadata
        if known.phase in WITHOUT_FILE and known.public and not known.path and not self.holds(key):
            return PublicKey(known.algorithm, known.bits, known.public)
        content, path = self._private(key, folder)
        return known.public_of(content) or pairs.parse_public(content, path)

    def holds(self, key: Key) -> bool:
        """Return True when the private key file is there."""
        return os.path.lexists(self._places.local(key.path))

    def _private(self, key: Key, opened: Folder | None = None) -> tuple[bytes, str]:
        """Return the content of the private key file, and its path; `opened`: the domain's directory."""
        # as text: path objects would take longer than reading the file
        if opened is not None and not key.metadata.path and key.path.startswith(f"{self._shown}/{key.domain}/"):
            name = key.path.rpartition("/")[2]
            content, shown = self._read(opened, name), f"{self._folders.at(key.domain)}/{name}"
        elif not key.metadata.path and (usual := self._places.below(key.path)):
            domain, name = usual
            shown = f"{self._folders.at(domain)}/{name}"
            with self._folders.of(domain) as folder:
                content = self._read(folder, name) if folder is not None else None
        else:
            path = self._places.local(key.path)
            content, shown = read_found(path, self._owners), str(path)
        if content is None:
            raise pairs.no_such_key(shown)
        return content, shown

    def _key(self, folder: Folder, domain: str, selector: str, below: str, is_noted: bool = True) -> Key:
        """Return a key in an open directory; `below`: its path below the store's, such as `example.com/`.

        `is_noted`: False where its metadata were seen not to be there.
        """
        metadata = self._metadata(folder, selector, is_noted)
        if metadata.path and not folder.is_ours and metadata.path not in self._named():
            raise Refused(
                f"{folder.shown(selector)}.json names the private key {metadata.path}, and no table of root's does",
                hint="others can write that file: move it away, or add the key to the KeyTable",
            )
        path = metadata.path or f"{self._shown}/{below}{selector}{PRIVATE}"
        return Key(domain, metadata.selector or selector, path, metadata)

    def _metadata(self, folder: Folder, selector: str, is_noted: bool = True) -> Metadata:
        content = self._read(folder, selector + NOTES) if is_noted else None
        if content is not None:
            return meta.from_json(content, f"{folder.shown(selector)}.json")
        name = selector + PRIVATE
        content = self._read(folder, name)
        if content is None:
            raise pairs.no_such_key(folder.shown(name))
        return parsed_metadata(content, folder.shown(name), os.stat(name, dir_fd=folder.descriptor).st_mtime)

    def _read(self, folder: Folder, name: str) -> bytes | None:
        """Return the content of a file, or None. A link is followed where only root and the caller can make one."""
        try:
            return read_untrusted(folder, name, self._owners)
        except LinkFound:
            if not folder.is_ours:
                raise
        except OSError as error:
            raise disk_error(f"read {self._path / folder.shown(name)}", error) from error
        return read_file(self._path / folder.shown(name))
