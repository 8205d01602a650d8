"""Keys read from a directory: `<domain>/<selector>.private`, `.txt` and `.json`, and opendkim-genkey's flat layout.

An adopted key, whose private key file stays where it was, has only a `.json` here, which names that file. The directory
of a domain belongs to the daemon's user: what is in it is read as untrusted input.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from dkimctl.errors import DkimctlError, disk_errors, is_denied
from dkimctl.files import Folder
from dkimctl.keys import metadata as meta
from dkimctl.keys.file_names import DOMAIN_NOTES, PRIVATE, Stems, has_key, plain_names, stems_of
from dkimctl.keys.file_reader import KeyFileReader
from dkimctl.keys.foreign import domain_in_record, just_parsed
from dkimctl.keys.metadata import IN_USE, WITHOUT_FILE, Metadata, Phase
from dkimctl.keys.public import PublicKey
from dkimctl.keys.store import Key, KeyFiles, KeyName, Life, Select


class KeyDirectoryReader(KeyFileReader):
    """A KeyReader over a directory on this disk; its arguments are those of KeyFileReader."""

    def domains(self) -> Iterator[str]:
        """Return every domain with a key, sorted, and those of which that cannot be read. Raises DiskError.

        What cannot be read is an error where the keys of that domain are read, and of no other. A directory that the
        caller may not enter is an error here: to a user who is not root all of them are closed.
        """
        for name in self.names():
            if name in self._flat or self._has_keys(name):
                yield name

    def names(self) -> list[str]:
        """Return every name that may be a domain with a key, sorted, without reading the keys. Raises as `domains`."""
        with disk_errors(f"read the key directory {self._path}"):
            base = self._folders.base()
            listing = list(base.listing()) if base else []
        found = sorted([name for name, is_directory in listing if is_directory])
        names = plain_names(found, self._path, self._has_keys)
        if "_flat" not in vars(self):
            self._flat = self._flat_among([name for name, _ in listing])  # a second listing takes as long as 100 keys
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
            return [(key, just_parsed(key.metadata) or self._public(key, folder)) for key in selected]

    def life(self, domain: str) -> Life:
        """Return what `keys`, `lost` and `domain_notes` return. Raises as they do."""
        with self._folders.of(domain) as folder:
            if folder is None:
                return Life(tuple(self._keys(folder, domain)), (), {})
            names = folder.names()
            stems = stems_of(names)
            lost = self._lost(folder, domain, stems)
            notes = self._notes(folder, domain) if DOMAIN_NOTES in names else {}
            return Life(tuple(self._keys(folder, domain, stems)), lost, notes)

    def _keys(self, folder: Folder | None, domain: str, stems: Stems | None = None) -> list[Key]:
        """Return the keys of a domain, oldest first; `folder`: its directory, if any; `stems`: those in it."""
        keys: list[Key] = []
        if folder is not None:
            stems, below = stems or stems_of(folder.names()), f"{domain}/"
            noted = stems.noted
            keys = [self._key(folder, domain, stem, below, stem in noted) for stem in self._selectors(folder, stems)]
        if flat := self._flat.get(domain):
            with self._folders.of("") as base:
                keys += [self._key(base, domain, selector, "") for selector in flat if base is not None]
        if len(keys) > 1:
            if taken_over := {path for key in keys if (path := key.metadata.path)}:
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

    def purged(self, domain: str) -> tuple[Key, ...]:
        """Return the keys that were purged, oldest first: their metadata are there, and no private key."""
        with self._folders.of(domain) as folder:
            if folder is None:
                return ()
            noted = [(stem, self._metadata(folder, stem)) for stem in stems_of(folder.names()).alone]
        found = [
            Key(domain, known.selector or stem, f"{self._shown}/{domain}/{stem}{PRIVATE}", known)
            for stem, known in noted
            if known.phase is Phase.PURGED
        ]
        return tuple(sorted(found, key=lambda key: (key.metadata.created, key.selector)))

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
            return self._lost(folder, domain, stems_of(folder.names())) if folder is not None else ()

    def _lost(self, folder: Folder, domain: str, stems: Stems) -> tuple[Key, ...]:
        found = [self._key(folder, domain, stem, f"{domain}/") for stem in stems.alone]
        found.sort(key=lambda key: (key.metadata.created, key.selector))
        return tuple(key for key in found if not key.metadata.path and key.phase in IN_USE)

    def files(self, domain: str) -> list[KeyFiles]:
        """Return all that is kept of a domain's keys, purged and lost ones included, as another store would take it.

        Private key files come octet for octet. Raises as `keys` and `load`.
        """
        with self._folders.of(domain) as folder:
            stems = stems_of(folder.names() if folder is not None else [])
            every = plain_names(sorted([*stems.keys, *stems.alone]), self._path)
            found = [self._files(folder, domain, stem, f"{domain}/") for stem in every if folder]
        for stem in self._flat.get(domain, ()):
            with self._folders.of("") as base:
                found += [self._files(base, domain, stem, "")] if base is not None else []
        taken_over = {one.key.metadata.path for one in found} - {""}
        return [one for one in found if one.key.metadata.path or one.key.path not in taken_over]

    def _files(self, folder: Folder, domain: str, stem: str, below: str) -> KeyFiles:
        key = self._key(folder, domain, stem, below)
        content = self._private(key, folder)[0] if self.holds(key) else None
        return KeyFiles(stem, key, self._read(folder, f"{stem}.txt"), content)

    def _has_keys(self, domain: str) -> bool:
        folder: Folder | None = None
        try:
            with self._folders.of(domain) as folder:
                if folder is None:
                    return False
                names = folder.names()
                return has_key(names) or bool(self._selectors(folder, stems_of(names)))
        except DkimctlError as error:
            if folder is None and is_denied(error):
                raise
            return True

    def _selectors(self, folder: Folder, stems: Stems) -> Sequence[str]:
        if stems.is_usual:
            return stems.keys
        found = plain_names(stems.keys, self._path)
        if alone := stems.alone:
            found += [stem for stem in alone if _needs_no_file(self._metadata(folder, stem))]
        found.sort()
        return found

    @cached_property
    def _flat(self) -> dict[str, list[str]]:
        """The selectors of keys in the directory itself, by domain, which the comment in the `.txt` file names.

        Searched once: dkimctl makes no such keys here, and with 100,000 domains the search takes long.
        """
        return self._flat_among(None)

    def _flat_among(self, names: list[str] | None) -> dict[str, list[str]]:
        """Search these names of the directory, or read them."""
        found: dict[str, list[str]] = {}
        with self._folders.of("") as folder:
            if folder is None:
                return found
            for selector in self._selectors(folder, stems_of(folder.names() if names is None else names)):
                domain = domain_in_record(self._read(folder, f"{selector}.txt"))
                if domain and plain_names([domain], self._path):
                    found.setdefault(domain, []).append(selector)
        return found


def _needs_no_file(known: Metadata) -> bool:
    """Return True for a key that is there without a private key next to its metadata."""
    return bool(known.path) or known.phase in WITHOUT_FILE
