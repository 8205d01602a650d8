"""Keys written to a directory: made, moved from phase to phase, repaired after a run that was killed."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.files import Folder, Owner, locked, make_directory, open_folder, refuse_shared_directory
from dkimctl.keys import metadata as meta
from dkimctl.keys.directory_reader import KeyDirectoryReader
from dkimctl.keys.file_names import DOMAIN_NOTES, PRIVATE, stems_of
from dkimctl.keys.identity import slot_stem
from dkimctl.keys.leftovers import make_domain_directory, settle_key_file
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.store import Key, advancing, lost_key, taken, used_before
from dkimctl.keys.unfinished import remove_unfinished


class KeyDirectory(KeyDirectoryReader):
    """A KeyStore over a directory on this disk; its arguments are those of KeyDirectoryReader."""

    def create(
        self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata, *, in_slot: bool = False
    ) -> Key:
        """Store a new key, the private file last: a run killed before that leaves no key and can be repeated.

        What such a run left is removed by the next one, whatever its selector is.

        `in_slot`: the selector may have belonged to a key that was purged; the files of this one get other names then.
        Raises Refused when the selector is taken or when other users can write to the directory: nothing is made then.
        """
        directory = self._path / domain
        refuse_shared_directory(directory, self._owner)
        make_directory(self._path, mode=0o755)
        make_domain_directory(directory, self._owner)
        metadata = metadata.with_public(pair.public, pair.private_pem)
        with locked(directory), disk_errors(f"write {directory}/{selector}"), open_folder(directory) as folder:
            folder.remove_leftovers()
            remove_unfinished(folder, self._owner)
            self._refuse_taken(folder, directory, selector)
            stem = selector
            if self._is_ended(folder, selector):
                if not in_slot:
                    raise used_before(domain, selector)
                stem = slot_stem(selector, pair.public.base64)
                metadata = metadata._replace(selector=selector)
            owner, name = self._owner, f"{stem}{PRIVATE}"
            folder.write(f"{stem}.json", meta.to_json(metadata), mode=0o600, owner=owner, durable=False)
            folder.write(f"{stem}.txt", record, mode=0o600, owner=owner, durable=False)
            try:
                folder.create(name, pair.private_pem, mode=0o600, owner=owner)
            except FileExistsError as error:
                raise taken(f"{directory}/{name}") from error
        return Key(domain, selector, f"{self._shown}/{domain}/{name}", metadata)

    def _refuse_taken(self, folder: Folder, directory: Path, selector: str) -> None:
        names = folder.names()
        if f"{selector}{PRIVATE}" in names:
            raise taken(f"{directory}/{selector}{PRIVATE}")
        for stem in self._selectors(folder, stems_of(names)):
            if stem == selector or (
                stem.startswith(f"{selector}-") and self._metadata(folder, stem).selector == selector
            ):
                raise taken(f"{directory}/{stem}.json")
        for lost in self.lost(directory.name):
            if lost.selector == selector:
                raise lost_key(lost)

    def _is_ended(self, folder: Folder, selector: str) -> bool:
        """Return True when a key that was purged had this selector."""
        return f"{selector}.json" in folder.names() and self._metadata(folder, selector).phase is Phase.PURGED

    def settle(self, key: Key) -> None:
        """Repair what a killed run has left: a second name of the key file, a directory that the daemon cannot enter.

        Raises Refused when the daemon cannot read the key and the cause is not ours to change.
        """
        path = self._places.local(key.path)
        if not key.metadata.path and path.parent != self._path:
            make_domain_directory(path.parent, self._owner)
            self._remove_unfinished(path.parent)
        settle_key_file(path, self._owner, is_ours=not key.metadata.path)

    def _remove_unfinished(self, directory: Path) -> None:
        with disk_errors(f"look at {directory}"), open_folder(directory) as folder:
            if stems_of(folder.names()).alone:  # there rarely is any, and no lock is taken for nothing
                with locked(directory):
                    remove_unfinished(folder, self._owner)

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Move a key to another phase. Raises Refused when its phase was changed by another program meanwhile."""
        return self.note(key, advancing(key, phase, now, note))

    def note(self, key: Key, change: Callable[[Metadata], Metadata]) -> Key:
        """Return the key with `change` applied to its metadata as they are now, and stored. Raises DiskError."""
        directory, stem = self._notes_of(key)
        path = directory / f"{stem}.json"
        with locked(directory), disk_errors(f"write {path}"), open_folder(directory) as folder:
            folder.remove_leftovers()
            current = self._metadata(folder, stem)
            changed = change(current)
            if changed != current:
                folder.write(path.name, meta.to_json(changed), mode=0o600, owner=_owner_of(folder, path.name))
        return key._replace(metadata=changed)

    def purge(self, key: Key) -> None:
        """Remove a private key of our making and its `.txt`. Its metadata stay: no selector is used twice.

        The private key goes last: while it is there, another run does the same again.
        """
        directory, stem = self._notes_of(key)
        with locked(directory), disk_errors(f"remove {key.path}"), open_folder(directory) as folder:
            folder.remove_leftovers()
            folder.remove(f"{stem}.txt")
            folder.remove(stem + PRIVATE)
            folder.sync()

    def note_domain(self, domain: str, **notes: object) -> bool:
        """Change some of what is noted of the domain as a whole; return whether anything was different before."""
        directory = self._path / domain
        if not directory.is_dir():  # keys that `adopt` found may lie elsewhere
            refuse_shared_directory(directory, self._owner)
            make_domain_directory(directory, self._owner)
        with locked(directory), disk_errors(f"write {directory / DOMAIN_NOTES}"), open_folder(directory) as folder:
            before = self.domain_notes(domain)
            if all(before.get(name) == value for name, value in notes.items()):
                return False
            content = meta.domain_notes_to_json({**before, **notes})
            folder.write(DOMAIN_NOTES, content, mode=0o600, owner=_owner_of(folder, DOMAIN_NOTES))
        return True

    def _notes_of(self, key: Key) -> tuple[Path, str]:
        """Return the directory of a key's metadata, and their name there without `.json`."""
        if key.metadata.path:
            return self._path / key.domain, key.selector
        return self._places.local(key.path).parent, Path(key.path).name.removesuffix(PRIVATE)


def _owner_of(folder: Folder, name: str) -> Owner | None:
    """Return the owner of a file that is rewritten: as before, where that is root or the directory's owner."""
    if os.geteuid() != 0:
        return None
    try:
        status = folder.status(name)
    except FileNotFoundError:
        return folder.owner
    return Owner.of(status) if status.st_uid in (0, folder.owner.uid) else folder.owner
