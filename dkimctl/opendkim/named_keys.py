"""The key files that root has the daemon read: what a KeyTable names that nobody else could have written."""

from io import BytesIO

from dkimctl.config.settings import Settings
from dkimctl.files import read_trusted
from dkimctl.opendkim import conf
from dkimctl.opendkim.tables import data_set, key_entry, rows


def named_keys(settings: Settings) -> frozenset[str]:
    """Return the paths in the KeyTable, as the daemon reads them. Raises DiskError, Refused.

    Both the table of opendkim.conf and the one that this program writes count, each only where none but root and the
    caller can write it.
    """
    content = read_trusted(settings.at(settings.paths.opendkim_conf))
    installed = conf.expand(content, settings.paths.opendkim_conf, settings.at) if content is not None else None
    kind, place = data_set((installed and installed.get("KeyTable")) or "")
    tables = [("file", f"{settings.paths.opendkim_directory}/KeyTable")]
    tables += [(kind, place)] if kind in ("file", "refile") and place.startswith("/") else []
    return frozenset(path for kind, place in tables for path in _paths(settings, place, patterns=kind == "refile"))


def _paths(settings: Settings, place: str, *, patterns: bool) -> list[str]:
    content = read_trusted(settings.at(place))
    entries = map(key_entry, rows(BytesIO(content or b""), patterns=patterns))
    return [entry.path for entry in entries if entry is not None]
