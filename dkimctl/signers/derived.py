"""Private keys in the form and place that a signer needs them: made from the key store, readable by its user alone."""

import os
from collections.abc import Iterator

from dkimctl.config.settings import Settings
from dkimctl.errors import UsageError, disk_errors
from dkimctl.keys.metadata import Phase
from dkimctl.keys.pair import load
from dkimctl.keys.seed import signer_form
from dkimctl.keys.store import KeyName, KeyReader
from dkimctl.names import split_owner_name
from dkimctl.signers.base import Content, RenderedDirectory, RenderedFile, Selection, SigningKey

_ENDING = ".key"


def derived_path(directory: str, key: SigningKey) -> str:
    """Where the copy of a key lies."""
    return f"{directory}/{key.name}{_ENDING}"


def derived_key(settings: Settings, directory: str, key: SigningKey) -> RenderedFile:
    """The copy. Its content is read when it is needed: raises DiskError or CheckFailed then."""
    content = Content(lambda: (signer_form(load(settings.at(key.path))),))
    return RenderedFile(derived_path(directory, key), content, mode=0o600, owner=settings.keys.owner)


def derived_directory(settings: Settings, directory: str) -> RenderedDirectory:
    """The directory of the copies."""
    return RenderedDirectory(directory, 0o700, settings.keys.owner)


def revoked_copies(settings: Settings, store: KeyReader, directory: str, selection: Selection) -> Iterator[str]:
    """The copies of keys that were revoked, as system paths: nobody needs them any more.

    None for a user who may not look there, and could not remove them either. Raises DiskError.
    """
    signing = {key.name for key in selection.keys}
    place = settings.at(directory)
    with disk_errors(f"read {place}"):
        try:
            names = sorted(os.listdir(place))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return
    for name in names:
        if not name.endswith(_ENDING):
            continue
        owner = name.removesuffix(_ENDING)
        if owner not in signing and _is_revoked(store, owner):
            yield f"{directory}/{name}"


def _is_revoked(store: KeyReader, owner: str) -> bool:
    """False for a key that is not known: the copy may be all there is of it."""
    try:
        selector, domain = split_owner_name(owner)
    except UsageError:
        return False
    key = store.find(KeyName(domain, selector))
    return key is not None and key.phase in (Phase.REVOKED, Phase.PURGED)
