"""Private keys in the form and place that a signer needs them: made from the key store, readable only by its user.

The directory of the copies is root's, so that the daemon's user can put nothing into it.
"""

from collections.abc import Iterator
from contextlib import suppress

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed, DkimctlError, Refused, UsageError, disk_errors
from dkimctl.files import open_folder, read_found
from dkimctl.keys.metadata import WITHOUT_RECORD
from dkimctl.keys.pair import no_such_key, parse_private_key
from dkimctl.keys.seed import signer_form
from dkimctl.keys.store import KeyName, KeyReader
from dkimctl.names import split_owner_name
from dkimctl.signers.rendered import Content, RenderedDirectory, RenderedFile, Selection, SigningKey

_ENDING = ".key"


def derived_path(directory: str, key: SigningKey) -> str:
    """Return the path of the copy of a key."""
    return f"{directory}/{key.name}{_ENDING}"


def derived_key(settings: Settings, directory: str, key: SigningKey) -> RenderedFile:
    """The copy. Its content is read when it is needed: raises DiskError or CheckFailed then."""
    path = derived_path(directory, key)
    content = Content(lambda: (_signer_form(settings, key, path),))
    return RenderedFile(path, content, mode=0o600, owner=settings.keys.owner)


def _signer_form(settings: Settings, key: SigningKey, copy: str) -> bytes:
    """Return the key in that form; where its file was deleted by hand or damaged, the copy as it is."""
    path = settings.at(key.path)
    content = read_found(path)
    problem: DkimctlError = no_such_key(path)
    if content is not None:
        try:
            return signer_form(parse_private_key(content, str(path)))
        except CheckFailed as error:
            problem = error
    if (copied := read_found(settings.at(copy))) is None:
        raise problem
    return copied


def derived_directory(settings: Settings, directory: str) -> RenderedDirectory:
    """The directory of the copies."""
    user, _, group = settings.keys.owner.partition(":")
    return RenderedDirectory(directory, 0o750, f"root:{group or user}")


def revoked_copies(settings: Settings, store: KeyReader, directory: str, selection: Selection) -> Iterator[str]:
    """The copies of keys that were revoked, as system paths: nobody needs them any more.

    None for a user who may not look there, and could not remove them either. Raises DiskError.
    """
    signing = {key.name for key in selection.keys}
    for owner in _copies(settings, directory):
        if owner not in signing and _is_revoked(store, owner):
            yield f"{directory}/{owner}{_ENDING}"


def moved_copies(settings: Settings, old: str, selection: Selection) -> Iterator[str]:
    """The copies where an earlier version kept them of keys that this rendering copies elsewhere, as system paths."""
    signing = {key.name for key in selection.keys}
    return (f"{old}/{owner}{_ENDING}" for owner in _copies(settings, old) if owner in signing)


def stored_copies(settings: Settings, store: KeyReader, directory: str) -> Iterator[str]:
    """The copies of exactly the keys in the store, as system paths; of another key the copy may be all there is."""
    for owner in _copies(settings, directory):
        path = f"{directory}/{owner}{_ENDING}"
        with suppress(DkimctlError):
            selector, domain = split_owner_name(owner)
            key = store.find(KeyName(domain, selector))
            if key is not None and read_found(settings.at(path)) == signer_form(store.load(key)):
                yield path


def _copies(settings: Settings, directory: str) -> list[str]:
    """The names of the key records whose keys have a copy there. Raises DiskError."""
    place = settings.at(directory)
    with disk_errors(f"read {place}"):
        try:
            with open_folder(place) as folder:
                names = sorted(folder.names())
        except (FileNotFoundError, NotADirectoryError, PermissionError, Refused):
            return []
    return [name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING)]


def _is_revoked(store: KeyReader, owner: str) -> bool:
    """Return whether a key is known to be revoked; of an unknown key the copy may be all there is."""
    try:
        selector, domain = split_owner_name(owner)
    except UsageError:
        return False
    key = store.find(KeyName(domain, selector))
    return key is not None and key.phase in WITHOUT_RECORD
