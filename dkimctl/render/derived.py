"""Private keys in the form and place that a signer needs them: made from the key store, readable by its user alone."""

from dkimctl.config.settings import Settings
from dkimctl.keys.pair import load
from dkimctl.keys.seed import signer_form
from dkimctl.render.base import Content, RenderedDirectory, RenderedFile, SigningKey


def derived_path(directory: str, key: SigningKey) -> str:
    """Where the copy of a key lies."""
    return f"{directory}/{key.name}.key"


def derived_key(settings: Settings, directory: str, key: SigningKey) -> RenderedFile:
    """The copy. Its content is read when it is needed: raises DiskError or CheckFailed then."""
    content = Content(lambda: (signer_form(load(settings.at(key.path))),))
    return RenderedFile(derived_path(directory, key), content, mode=0o600, owner=settings.keys.owner)


def derived_directory(settings: Settings, directory: str) -> RenderedDirectory:
    """The directory of the copies."""
    return RenderedDirectory(directory, 0o700, settings.keys.owner)
