"""A relay's copy of its keys: the ordinary key directory, written from a change set that was checked.

The order is what makes a kill harmless. New keys and what is known of them come first, so that the next rendering finds
all of it; in between a domain may have two active keys, and the installed one goes on. Private keys are removed last,
when no table names them. Whatever is written twice is the same.

Many domains are written together, durable as a whole before the first of them is in place. No domain is locked: on a
relay nothing else changes keys, and one pass at a time holds the lock of the state directory.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

from dkimctl.errors import DkimctlError, Refused, disk_errors
from dkimctl.files import Batch, Folder, Owner, make_directory, open_folder, read_untrusted, settle_directory
from dkimctl.fleet.changes import FleetKey, OpenKey, problem_of, public_in
from dkimctl.keys.file_names import PRIVATE
from dkimctl.keys.folders import DomainFolders
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import Metadata, Phase, to_json
from dkimctl.keys.pair import parse_public

_TOGETHER = 4096
"""Domains that are made durable together."""


class Written(NamedTuple):
    """What a change set did to the key directory."""

    domains: frozenset[str]
    """All those of its keys."""
    changed: frozenset[str]
    """Those of which a file changed."""
    ended: tuple[tuple[str, str], ...]
    """Domain and stem of the private keys that are here, and that no relay is to have any more."""


def together(written: Iterable[Written]) -> Written:
    """Return what several parts of a change set did."""
    domains, changed, ended = set[str](), set[str](), list[tuple[str, str]]()
    for part in written:
        domains |= part.domains
        changed |= part.changed
        ended += part.ended
    return Written(frozenset(domains), frozenset(changed), tuple(ended))


class LocalCopy:
    """The key directory at `path`, whose files belong to `owner`."""

    def __init__(self, path: Path, owner: Owner) -> None:
        self._path = path
        self._owner = owner
        self._folders = DomainFolders(path)

    def conflict(self, key: FleetKey, content: bytes) -> str:
        """Return why a private key cannot be put here: another one has its file. Empty when it can."""
        name = f"{key.stem}{PRIVATE}"
        with self._folders.of(key.domain) as folder:
            there = _read(folder, name) if folder is not None else None
        if there is None or there == content or _is_same_key(there, key):
            return ""
        return f"this relay has another private key at {self._path / key.domain / name}: move it away"

    def make(self) -> None:
        """Make the directory, where it is missing. Raises DiskError."""
        make_directory(self._path, mode=0o755)

    def put(self, keys: Iterable[FleetKey], open_key: OpenKey) -> Written:
        """Write keys, which come sorted by domain, and what is known of them. Nothing is removed. Raises DiskError."""
        self.make()
        seen: list[str] = []
        changed: list[str] = []
        ended: list[tuple[str, str]] = []
        domains = ((domain, list(of_domain)) for domain, of_domain in groupby(keys, lambda key: key.domain))
        is_more = True
        while is_more:
            is_more = False
            with self._batch() as batch:
                for domain, of_domain in islice(domains, _TOGETHER):
                    is_more = True
                    seen.append(domain)
                    if self._prepare(batch, domain, of_domain, open_key):
                        changed.append(domain)
                    ended += ((domain, key.stem) for key in of_domain if self._is_left(key))
                batch.put()
        return Written(frozenset(seen), frozenset(changed), tuple(ended))

    @contextmanager
    def _batch(self) -> Iterator[Batch]:
        with (
            disk_errors(f"write {self._path}"),
            open_folder(self._path) as base,
            Batch(base, self._folders.enter, self._owner) as batch,
        ):
            base.tidy()  # a run that was killed after its last rename has left nothing to make
            yield batch

    def remove_ended(self, ended: Iterable[tuple[str, str]]) -> int:
        """Remove private keys by domain and stem; return how many were there. Raises DiskError."""
        return sum(self._remove(domain, stem) for domain, stem in ended)

    def _prepare(self, batch: Batch, domain: str, keys: list[FleetKey], open_key: OpenKey) -> bool:
        """Return whether anything changes."""
        files: dict[str, bytes] = {}
        for key in sorted(keys, key=lambda key: key.metadata.phase is not Phase.ACTIVE):  # never without one
            files |= _files(key, open_key)
        folder = self._folders.enter(domain)
        if folder is None:
            if any(key.sealed is not None for key in keys):  # a relay that never had them needs no word of the others
                batch.make(domain, files)
                return True
            return False
        try:
            different = {name: content for name, content in files.items() if _read(folder, name) != content}
            self._let_daemon_in(domain, folder)
            if different:
                folder.tidy()
                batch.replace(domain, folder, different)
            return bool(different)
        finally:
            folder.close()

    def _let_daemon_in(self, domain: str, folder: Folder) -> None:
        if os.geteuid() == 0 and not self._owner.has(os.fstat(folder.descriptor), stat.S_IXUSR):
            settle_directory(self._path / domain, mode=0o700, owner=self._owner)

    def _is_left(self, key: FleetKey) -> bool:
        """Return True for a private key that is here although no relay is to have it any more."""
        if key.sealed is not None:
            return False
        with self._folders.of(key.domain) as folder:
            return folder is not None and folder.has(f"{key.stem}{PRIVATE}")

    def _remove(self, domain: str, stem: str) -> bool:
        directory = self._path / domain
        with disk_errors(f"remove {directory / stem}"), open_folder(directory) as folder:
            folder.remove(f"{stem}.txt")
            removed = folder.remove(f"{stem}{PRIVATE}")
            folder.sync()
        return removed


def _files(key: FleetKey, open_key: OpenKey) -> dict[str, bytes]:
    """Return the files of a key, in the order in which they are to be put in place.

    Raises Refused for what is not as it was when the change set was checked.
    """
    content = open_key(key) if key.sealed is not None else None
    if problem := problem_of(key, content):
        raise Refused(f"the database changed meanwhile: {key.shown}: {problem}", hint="see who else can write it")
    if content is None:
        return {f"{key.stem}.json": to_json(_as_here(key))}
    known = _as_here(key).with_public(public_in(content, key), content)
    return {f"{key.stem}.txt": key.record, f"{key.stem}.json": to_json(known), f"{key.stem}{PRIVATE}": content}


def _as_here(key: FleetKey) -> Metadata:
    """Return the metadata as the key directory has them: the private key lies next to them."""
    return key.metadata._replace(path="", selector="" if key.stem == key.selector else key.selector)


def _is_same_key(content: bytes, key: FleetKey) -> bool:
    """Return True for the same key in another form, such as PKCS#1."""
    try:
        return identity_of(parse_public(content, key.shown).base64) == key.identity
    except DkimctlError:
        return False


def _read(folder: Folder, name: str) -> bytes | None:
    """Return the content of a file; None where there is none, or something else, which is then replaced."""
    with suppress(Refused):
        return read_untrusted(folder, name, frozenset({folder.uid}))
    return None
