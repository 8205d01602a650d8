"""What a relay's last rendering has installed: as long as it is untouched, the next one renders what changed alone.

A rendering reads every key, and a million take minutes. Where anything but the keys of the change set may have changed
since (the settings, a file of the signer, main.cf, the key directory itself), there is no such state, and all is read.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.files import Version, read_file, remove_file, version_at, write_file
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory
from dkimctl.signers.rendered import RenderedFile, Rendering
from dkimctl.version import VERSION

STATE = f"{STATE_DIRECTORY}/fleet-tables.json"
_SCHEMA = 1
_MOST_AGAIN = 1000


class Rendered(NamedTuple):
    """A rendering that is installed."""

    algorithms: frozenset[str]
    """Of all keys of the fleet."""
    files: Mapping[str, Version | None]
    """By system path, main.cf included; None for a file that is not there."""
    again: frozenset[str] = frozenset()
    """Domains that are not rendered as their keys say: one could not be read, or did not sign."""


def read_rendered(settings: Settings) -> Rendered | None:
    """Return what was noted, where everything still is as it was then."""
    try:
        noted = json.loads(read_file(settings.at(STATE)) or b"{}")
        if noted.get("made_with") != _made_with(settings) or _version(noted["keys"]) != version_at(
            settings.key_directory
        ):
            return None
        files = {path: _version(version) for path, version in noted["files"].items()}
        if any(version_at(settings.at(path)) != version for path, version in files.items()):
            return None
        return Rendered(frozenset(noted["algorithms"]), files, frozenset(noted["again"]))
    except (DkimctlError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def note_rendered(
    settings: Settings,
    rendering: Rendering,
    written: Mapping[str, Version | None],
    algorithms: frozenset[str],
    again: frozenset[str],
) -> None:
    """Note a rendering that was installed. `written`: the versions that its installation has left. Raises DiskError."""
    if len(again) > _MOST_AGAIN:
        remove_file(settings.at(STATE))
        return
    make_state_directory(settings)
    main_cf = settings.paths.main_cf
    files = {file.path: _installed(settings, file) for file in rendering.files}
    document = {
        "schema": _SCHEMA,
        "made_with": _made_with(settings),
        "keys": version_at(settings.key_directory),
        "algorithms": sorted(algorithms),
        "files": {**files, main_cf: version_at(settings.at(main_cf)), **written},
        "again": sorted(again),
    }
    content = json.dumps(document).encode() + b"\n"
    if read_file(settings.at(STATE)) != content:
        write_file(settings.at(STATE), content, mode=0o600)


def _installed(settings: Settings, file: RenderedFile) -> Version | None:
    """Return the version from which a file was rendered, which is installed where nothing had to be written."""
    return file.made_from if isinstance(file.made_from, Version) else version_at(settings.at(file.path))


def _made_with(settings: Settings) -> str:
    return sha256(f"{VERSION} {settings!r}".encode("utf-8", "surrogatepass")).hexdigest()


def _version(noted: list[int] | None) -> Version | None:
    return None if noted is None else Version(*noted)
