"""Keys in a directory: `<domain>/<selector>.private`, `.txt` and `.json`, and the flat layout of opendkim-genkey.

An adopted key, whose private key file stays where it was, has only a `.json` here, which names that file.
"""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from dkimctl.clock import timestamp
from dkimctl.errors import DiskError, Refused, disk_errors, reason, shell_word
from dkimctl.files import (
    Owner,
    caller,
    create_file,
    locked,
    make_directory,
    read_file,
    refuse_shared_directory,
    write_file,
)
from dkimctl.keys import metadata as meta
from dkimctl.keys import pair as pairs
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, taken

PRIVATE = ".private"
_MADE_FOR = re.compile(rb";\s*-+\s*DKIM key (\S+) for (\S+)")  # the comment that ends opendkim-genkey's .txt


class KeyDirectory:
    """A KeyStore over a directory on this disk.

    `path`: the directory on this disk; `shown`: its path in the daemon's configuration (without `--root`); `owner`:
    the owner of new keys. Domains and selectors are expected to be checked names (see `dkimctl.names`).
    """

    def __init__(self, path: Path, *, shown: str | None = None, owner: Owner | None = None) -> None:
        self._path = path
        self._shown = shown or str(path)
        self._owner = owner or caller()

    def domains(self) -> Iterator[str]:
        """Return every domain with a key, sorted. Raises DiskError when the directory cannot be read."""
        flat = self._flat
        for name in self.names():
            if name in flat or self._selectors(name):
                yield name

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted, without reading the keys. Raises as `domains`."""
        with disk_errors(f"read the key directory {self._path}"):
            names = sorted(e.name for e in os.scandir(self._path) if _is_dir(e)) if self._path.is_dir() else []
        return sorted({*names, *self._flat}) if self._flat else names

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain, oldest first; empty when it has none."""
        keys = [self._key(domain, selector, f"{domain}/") for selector in self._selectors(domain)]
        keys += [self._key(domain, selector, "") for selector in self._flat.get(domain, ())]
        if len(keys) > 1:
            taken_over = {key.metadata.path for key in keys} - {""}
            # one private key file is one key, with the selector under which it was adopted
            keys = [key for key in keys if key.metadata.path or key.path not in taken_over]
            keys.sort(key=lambda key: (key.metadata.created, key.selector))
        return tuple(keys)

    def find(self, name: KeyName) -> Key | None:
        """Return one key as it is now, or None when there is none of this name. Raises DiskError or CheckFailed."""
        folder = "" if name.selector in self._flat.get(name.domain, ()) else f"{name.domain}/"
        stem = f"{self._path}/{folder}{name.selector}"
        has_file = _exists(f"{stem}{PRIVATE}")
        if not has_file and not _exists(f"{stem}.json"):
            return None
        key = self._key(name.domain, name.selector, folder)
        return key if has_file or key.metadata.path else None

    def load(self, key: Key) -> KeyPair:
        """Return the key pair. Raises DiskError or CheckFailed."""
        return pairs.load(Path(self._local(key.path)))

    def public(self, key: Key) -> PublicKey:
        """Return the public half of the private key file. Raises DiskError or CheckFailed."""
        path = self._local(key.path)
        content = pairs.read(path)
        return key.metadata.public_of(content) or pairs.parse_public(content, path)

    def create(self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata) -> Key:
        """Store a new key, the private file last: a run killed before that leaves no key and can be repeated.

        Raises Refused when the selector is taken or when other users can write to the directory.
        """
        directory = self._path / domain
        make_directory(self._path, mode=0o755)
        make_directory(directory, mode=0o700, owner=self._owner)
        refuse_shared_directory(directory, self._owner)
        private = directory / f"{selector}{PRIVATE}"
        metadata = metadata.with_public(pair.public, pair.private_pem)
        with locked(directory):
            if os.path.lexists(private):
                raise taken(str(private))
            if selector in self._selectors(domain):
                raise taken(str(private.with_suffix(".json")))
            write_file(directory / f"{selector}.txt", record, mode=0o600, owner=self._owner, durable=False)
            write_file(
                directory / f"{selector}.json",
                meta.to_json(metadata),
                mode=0o600,
                owner=self._owner,
                durable=False,
            )
            create_file(private, pair.private_pem, mode=0o600, owner=self._owner)
        return Key(domain, selector, f"{self._shown}/{domain}/{selector}{PRIVATE}", metadata)

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to another phase. Raises Refused when its phase was changed by another program meanwhile."""
        stem = self._stem(key)
        with locked(Path(stem).parent):
            current = self._metadata(stem)
            if current.phase is not key.phase:
                raise Refused(
                    f"{key.selector} of {key.domain} changed from {key.phase} to {current.phase} meanwhile",
                    hint="another dkimctl is running: look at dkimctl status, then run the command again",
                )
            changed = current._replace(provider=key.metadata.provider or current.provider).advanced(phase, now, note)
            write_file(Path(f"{stem}.json"), meta.to_json(changed), mode=0o600, owner=self._owner)
        return key._replace(metadata=changed)

    def _local(self, shown: str) -> str:
        if shown.startswith(f"{self._shown}/"):
            return f"{self._path}{shown[len(self._shown) :]}"
        return f"{str(self._path).removesuffix(self._shown)}{shown}"  # below the same root, but elsewhere

    def _stem(self, key: Key) -> str:
        """Return the path of the metadata without `.json`."""
        return (
            f"{self._path}/{key.domain}/{key.selector}" if key.metadata.path else self._local(key.path)[: -len(PRIVATE)]
        )

    def _selectors(self, domain: str) -> list[str]:
        directory = f"{self._path}/{domain}"  # plain strings: a path object costs more than the system call
        with disk_errors(f"read {directory}"):
            try:
                names = os.listdir(directory)
            except (FileNotFoundError, NotADirectoryError):
                return []
        found = {name.removesuffix(PRIVATE) for name in names if name.endswith(PRIVATE) and name[0] != "."}
        notes = [name.removesuffix(".json") for name in names if name.endswith(".json") and name[0] != "."]
        alone = [selector for selector in notes if selector not in found]
        return sorted(found.union(s for s in alone if self._metadata(f"{directory}/{s}").path) if alone else found)

    @cached_property
    def _flat(self) -> dict[str, list[str]]:
        """The selectors of keys in the directory itself, by domain, which the comment in the `.txt` file names.

        Searched once: dkimctl makes no such keys here, and with 100,000 domains the search takes long.
        """
        found: dict[str, list[str]] = {}
        for selector in self._selectors("."):
            made_for = _MADE_FOR.search(read_file(self._path / f"{selector}.txt") or b"")
            if made_for:
                found.setdefault(made_for[2].decode("ascii", "replace").lower().rstrip("."), []).append(selector)
        return found

    def _key(self, domain: str, selector: str, folder: str) -> Key:
        shown = f"{self._shown}/{folder}{selector}{PRIVATE}"
        metadata = self._metadata(f"{self._path}/{folder}{selector}")
        return Key(domain, selector, metadata.path or shown, metadata)

    def _metadata(self, stem: str) -> Metadata:
        path = f"{stem}.json"
        content = read_file(path, end=meta.END)
        if content is not None:
            return meta.from_json(content, path)
        private = Path(stem + PRIVATE)
        pair = pairs.load(private)
        with disk_errors(f"look at {private}"):
            made = datetime.fromtimestamp(private.stat().st_mtime, UTC)
        return Metadata(pair.algorithm, pair.bits, timestamp(made))


def _exists(path: str) -> bool:
    with disk_errors(f"look at {path}"):
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
    return True


def _is_dir(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link that leads to itself
        raise DiskError(
            f"cannot look at {entry.path}: {reason(error)}",
            hint=f"see where it leads: namei -l {shell_word(entry.path)}",
        ) from error
