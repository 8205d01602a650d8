"""Keys read from a directory: `<domain>/<selector>.private`, `.txt` and `.json`, and opendkim-genkey's flat layout.

An adopted key, whose private key file stays where it was, has only a `.json` here, which names that file. The directory
of a domain belongs to the daemon's user: what is in it is read as untrusted input.
"""

import os
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from dkimctl.clock import timestamp
from dkimctl.errors import DkimctlError, Refused, disk_errors, is_denied
from dkimctl.files import Folder, LinkFound, Owner, caller, read_file, read_found, read_untrusted
from dkimctl.keys import metadata as meta
from dkimctl.keys import pair as pairs
from dkimctl.keys.folders import DomainFolders
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyName, Life, Select
from dkimctl.names import printable

PRIVATE = ".private"
DOMAIN_NOTES = ".lifecycle.json"
"""What is noted of a domain as a whole; the dot hides it from version 0.1."""
_NAME = re.compile(r"\w[\w.-]*")
"""What is taken for a domain or a selector. Who names the files is not trusted: a line end, a quote or a bracket would
change the zone file, or the table, that the name gets into."""
_MOST_NAMED = 3
_named: set[tuple[str, str]] = set()  # directories and names that were passed over, and somebody was told
_MADE_FOR = re.compile(rb";\s*-+\s*DKIM key (\S+) for (\S+)")  # the comment that ends opendkim-genkey's .txt
_WITHOUT_FILE = (Phase.RETIRING, Phase.REVOKED)
"""The phases in which a key does without its private key: what is left to do is done to its record."""
_IN_USE = (Phase.PUBLISHED, Phase.VERIFIED, Phase.ACTIVE)
_PARSED: Mapping[str, object] = MappingProxyType({})
"""The facts of a key without metadata: this object says that all that is known of it was read from its file."""
_USUAL = re.compile("(?:/([^/]+))?/([^/]+)")  # a key file below the store: the domain, unless it lies flat; the name


class KeyDirectoryReader:
    """A KeyReader over a directory on this disk.

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

    def domains(self) -> Iterator[str]:
        """Return every domain with a key, sorted, and those of which that cannot be read. Raises DiskError.

        What cannot be read is an error where the keys of that domain are read, and of no other. A directory that the
        caller may not enter is an error here: to a user who is not root all of them are closed.
        """
        flat = self._flat
        for name in self.names():
            if name in flat or self._has_keys(name):
                yield name

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted, without reading the keys. Raises as `domains`."""
        with disk_errors(f"read the key directory {self._path}"):
            base = self._folders.base()
            found = sorted(base.names_of_directories()) if base else []
        names = self._plain(found, self._has_keys)
        return sorted({*names, *self._flat}) if self._flat else names

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain, oldest first. Raises DiskError, Refused or CheckFailed."""
        with self._folders.of(domain) as folder:
            return tuple(self._keys(folder, domain))

    def keys_with_public(self, domain: str, select: Select) -> list[tuple[Key, PublicKey]]:
        """Return those of a domain's keys that are selected, each with what `public` says. Raises as that.

        For long lists: the directory is opened once, and the private key file of a key without metadata read once.
        """
        with self._folders.of(domain) as folder:
            selected = select(tuple(self._keys(folder, domain)))
            return [(key, _just_parsed(key.metadata) or self._public(key, folder)) for key in selected]

    def life(self, domain: str) -> Life:
        """Return what `keys`, `lost` and `domain_notes` return. Raises as they do."""
        with self._folders.of(domain) as folder:
            names = folder.names() if folder is not None else []
            keys = tuple(self._keys(folder, domain, names))
            return Life(keys, self._lost(folder, domain, names), self._notes(folder, domain))

    def _keys(self, folder: Folder | None, domain: str, names: list[str] | None = None) -> list[Key]:
        """Return the keys of a domain, oldest first; `folder`: its directory, if any; `names`: those in it."""
        keys: list[Key] = []
        if folder is not None:
            keys = [self._key(folder, domain, stem, f"{domain}/") for stem in self._selectors(folder, names)]
        if flat := self._flat.get(domain):
            with self._folders.of("") as base:
                keys += [self._key(base, domain, selector, "") for selector in flat if base is not None]
        if len(keys) > 1:
            taken_over = {key.metadata.path for key in keys} - {""}
            # one private key file is one key, with the selector under which it was adopted
            keys = [key for key in keys if key.metadata.path or key.path not in taken_over]
            keys.sort(key=lambda key: (key.metadata.created, key.selector))
        return keys

    def find(self, name: KeyName) -> Key | None:
        """Return one key as it is now, or None when there is none of this name. Raises as `keys`."""
        below = "" if name.selector in self._flat.get(name.domain, ()) else f"{name.domain}/"
        with self._folders.of(below.rstrip("/")) as folder:
            if folder is None:
                return None
            has_file = folder.has(name.selector + PRIVATE)
            if not has_file and not folder.has(f"{name.selector}.json"):
                return None
            key = self._key(folder, name.domain, name.selector, below)
            return key if has_file or _needs_no_file(key.metadata) else self._later_in_slot(folder, name, below)

    def _later_in_slot(self, folder: Folder, name: KeyName, below: str) -> Key | None:
        """Return the key that has the selector of one that was purged."""
        start = f"{name.selector}-"
        stems = (n.removesuffix(PRIVATE) for n in folder.names() if n.startswith(start) and n.endswith(PRIVATE))
        later = (self._key(folder, name.domain, stem, below) for stem in stems)
        return next((key for key in later if key.selector == name.selector), None)

    def ended(self, domain: str) -> frozenset[str]:
        """Return the selectors of keys that were purged: their metadata are there, and no private key."""
        with self._folders.of(domain) as folder:
            if folder is None:
                return frozenset()
            alone = _alone(folder.names())
            ended = ((stem, found) for stem in alone if (found := self._metadata(folder, stem)).phase is Phase.PURGED)
            return frozenset(found.selector or stem for stem, found in ended)

    def domain_notes(self, domain: str) -> Mapping[str, object]:
        """Return what is noted of the domain as a whole; empty when nothing is. Raises CheckFailed when damaged."""
        with self._folders.of(domain) as folder:
            return self._notes(folder, domain)

    def _notes(self, folder: Folder | None, domain: str) -> Mapping[str, object]:
        content = self._read(folder, DOMAIN_NOTES) if folder is not None else None
        return meta.domain_notes_from_json(content, f"{domain}/{DOMAIN_NOTES}") if content is not None else {}

    def lost(self, domain: str) -> tuple[Key, ...]:
        """Return the keys that were published and whose private key is gone although they were not taken out of use.

        What a `genkey` that was killed has left is none of them. Raises as `keys`.
        """
        with self._folders.of(domain) as folder:
            return self._lost(folder, domain, folder.names() if folder is not None else [])

    def _lost(self, folder: Folder | None, domain: str, names: list[str]) -> tuple[Key, ...]:
        if folder is None:
            return ()
        found = [self._key(folder, domain, stem, f"{domain}/") for stem in _alone(names)]
        return tuple(key for key in found if not key.metadata.path and key.phase in _IN_USE)

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
        if known.phase in _WITHOUT_FILE and known.public and not known.path and not self.holds(key):
            return PublicKey(known.algorithm, known.bits, known.public)
        content, path = self._private(key, folder)
        return known.public_of(content) or pairs.parse_public(content, path)

    def holds(self, key: Key) -> bool:
        """Return True when the private key file is there."""
        return os.path.lexists(self._local(key.path))

    def _private(self, key: Key, opened: Folder | None = None) -> tuple[bytes, str]:
        """Return the content of the private key file, and its path; `opened`: the domain's directory."""
        is_here = not key.metadata.path and key.path.startswith(self._shown)
        usual = _USUAL.fullmatch(key.path, len(self._shown)) if is_here else None
        if usual:  # as text: path objects would take longer than reading the file
            domain, name = usual.groups("")
            shown = f"{self._folders.at(domain)}/{name}"
            if opened is not None and domain == key.domain:
                content = self._read(opened, name)
            else:
                with self._folders.of(domain) as folder:
                    content = self._read(folder, name) if folder is not None else None
        else:
            path = self._local(key.path)
            content, shown = read_found(path, self._owners), str(path)
        if content is None:
            raise pairs.no_such_key(shown)
        return content, shown

    # --- files

    def _local(self, shown: str) -> Path:
        """Return the place on this disk of a path in the daemon's configuration."""
        if shown.startswith(f"{self._shown}/"):
            return self._path / shown[len(self._shown) + 1 :]
        before = str(self._path).removesuffix(self._shown)
        return self._path / f"{before}{shown}"  # below the same root, but elsewhere

    def _has_keys(self, domain: str) -> bool:
        folder: Folder | None = None
        try:
            with self._folders.of(domain) as folder:
                if folder is None:
                    return False
                is_there = any(name.endswith(PRIVATE) and _NAME.fullmatch(name) for name in folder.names())
                return is_there or bool(self._selectors(folder))
        except DkimctlError as error:
            if folder is None and is_denied(error):
                raise
            return True

    def _selectors(self, folder: Folder, names: list[str] | None = None) -> list[str]:
        names = folder.names() if names is None else names
        keys = [name.removesuffix(PRIVATE) for name in names if name.endswith(PRIVATE) and name[0] != "."]
        found = set(self._plain(keys))
        if alone := _alone(names):
            found.update(stem for stem in alone if _needs_no_file(self._metadata(folder, stem)))
        return sorted(found)

    def _plain(self, names: list[str], counts: Callable[[str], bool] = lambda _: True) -> list[str]:
        """Return those that can be domains or selectors; the others are named once, where they count."""
        plain = list(filter(_NAME.fullmatch, names))
        if len(plain) == len(names):
            return plain
        odd = (name for name in names if not _NAME.fullmatch(name))
        for name in islice(odd, _MOST_NAMED):
            if (told := (str(self._path), name)) not in _named and counts(name):
                _named.add(told)
                import logging  # only here: it takes longer to load than all the rest

                message = "below %s, %s is no name of a domain or a selector: passed over"
                logging.getLogger(__name__).warning(message, self._path, printable(name, 80))
        return plain

    @cached_property
    def _flat(self) -> dict[str, list[str]]:
        """The selectors of keys in the directory itself, by domain, which the comment in the `.txt` file names.

        Searched once: dkimctl makes no such keys here, and with 100,000 domains the search takes long.
        """
        found: dict[str, list[str]] = {}
        with self._folders.of("") as folder:
            if folder is None:
                return found
            for selector in self._selectors(folder):
                made_for = _MADE_FOR.search(self._read(folder, f"{selector}.txt") or b"")
                domain = made_for[2].decode("ascii", "replace").lower().rstrip(".") if made_for else ""
                if domain and self._plain([domain]):
                    found.setdefault(domain, []).append(selector)
        return found

    def _key(self, folder: Folder, domain: str, selector: str, below: str) -> Key:
        """Return a key in an open directory; `below`: its path below the store's, such as `example.com/`."""
        metadata = self._metadata(folder, selector)
        if metadata.path and not folder.is_ours and metadata.path not in self._named():
            raise Refused(
                f"{folder.shown(selector)}.json names the private key {metadata.path}, and no table of root's does",
                hint="others can write that file: move it away, or add the key to the KeyTable",
            )
        path = metadata.path or f"{self._shown}/{below}{selector}{PRIVATE}"
        return Key(domain, metadata.selector or selector, path, metadata)

    def _metadata(self, folder: Folder, selector: str) -> Metadata:
        content = self._read(folder, f"{selector}.json")
        if content is not None:
            return meta.from_json(content, f"{folder.shown(selector)}.json")
        name = selector + PRIVATE
        content = self._read(folder, name)
        if content is None:
            raise pairs.no_such_key(folder.shown(name))
        public = pairs.parse_public(content, folder.shown(name))
        made = datetime.fromtimestamp(os.stat(name, dir_fd=folder.descriptor).st_mtime, UTC)
        # with its public half, so that `public` need not parse the same file again
        known = Metadata(public.algorithm, public.bits, timestamp(made), facts=_PARSED)
        return known.with_public(public, content)

    def _read(self, folder: Folder, name: str) -> bytes | None:
        """Return the content of a file, or None. A link is followed where only root and the caller can make one."""
        try:
            return read_untrusted(folder, name, self._owners)
        except LinkFound:
            if not folder.is_ours:
                raise
        return read_file(self._path / folder.shown(name))


def _needs_no_file(known: Metadata) -> bool:
    """Return True for a key that is there without a private key beside its metadata."""
    return bool(known.path) or known.phase in _WITHOUT_FILE


def _alone(names: Sequence[str]) -> list[str]:
    """Return the stems of the metadata among these names beside which there is no private key."""
    stems = [name.removesuffix(".json") for name in names if name.endswith(".json")]
    there = {name.removesuffix(PRIVATE) for name in names if name.endswith(PRIVATE)} if stems else set()
    return [stem for stem in stems if stem not in there and _NAME.fullmatch(f"{stem}.json")]


def _just_parsed(known: Metadata) -> PublicKey | None:
    """Return the public half of a key without metadata, whose private key file was parsed for want of them."""
    return PublicKey(known.algorithm, known.bits, known.public) if known.facts is _PARSED else None
