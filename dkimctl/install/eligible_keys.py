"""The keys that may sign: those that DNS was seen to serve, and those that sign already."""

from dkimctl.config.settings import Settings
from dkimctl.keys.filtered import FilteredKeys
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyReader
from dkimctl.signers.base import Name, Names
from dkimctl.signers.registry import signer_of

_UNPROVEN = (Phase.GENERATED, Phase.PUBLISHED)


def installed_keys(settings: Settings) -> Names:
    """Return the keys that the signer's installed configuration names; none when there is none. Raises DiskError."""
    return signer_of(settings).installed(settings)


def eligible_keys(store: KeyReader, installed: Names, *, without: frozenset[Name] = frozenset()) -> FilteredKeys:
    """Return only the keys that may sign, for a rendering that keeps mail safe.

    `installed`: keys that sign already; `without`: keys that must not sign in any case.
    """

    def select(key: Key) -> Key | None:
        name = (key.domain, key.selector)
        may = name not in without and (key.phase not in _UNPROVEN or name in installed)
        return key if may else None

    return FilteredKeys(store, select)
