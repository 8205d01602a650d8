"""The keys that sign already, and of some domains another one: what a switch renders."""

from collections.abc import Mapping

from dkimctl.keys.filtered import FilteredKeys
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import Key, KeyReader
from dkimctl.signers.base import Name


def chosen_keys(store: KeyReader, installed: frozenset[Name], chosen: Mapping[str, frozenset[str]]) -> FilteredKeys:
    """Return, as active, the keys of the installed tables, and those that are to take their place.

    `installed`: domain and selector of each key that signs. `chosen`: domain → the selectors that are to sign.
    """

    def select(key: Key) -> Key | None:
        own = chosen.get(key.domain)
        signs = (key.domain, key.selector) in installed if own is None else key.selector in own
        return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE)) if signs else None

    return FilteredKeys(store, select)
