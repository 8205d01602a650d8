"""The keys that sign already, and of some domains another one: what a switch renders."""

from collections.abc import Callable, Mapping

from dkimctl.config.settings import Settings
from dkimctl.errors import CheckFailed
from dkimctl.keys.filtered import FilteredKeys
from dkimctl.keys.metadata import Metadata, Phase
from dkimctl.keys.store import Key, KeyName, LifecycleStore
from dkimctl.signers.base import Names


class _Chosen(FilteredKeys):
    """Of a domain whose metadata are damaged, or of a newer version, the keys that sign stay as they are.

    So do the rows of keys whose private key was deleted by hand: they hold no other domain's switch up.
    """

    def __init__(
        self, store: LifecycleStore, select: Callable[[Key], Key | None], directory: str, installed: Names
    ) -> None:
        super().__init__(store, select)
        self._directory = directory
        self._all = store
        self._selectors: dict[str, set[str]] = {}
        for domain, selector in installed:
            self._selectors.setdefault(domain, set()).add(selector)

    def keys(self, domain: str) -> tuple[Key, ...]:
        """Return the keys of a domain that are selected, with those that are lost, oldest first."""
        found = super().keys(domain)
        if not self._selectors.get(domain, set()) - {key.selector for key in found}:
            return found
        lost = [key for key in map(self._select, self._all.lost(domain)) if key is not None]
        return (*lost, *(key for key in found if key not in lost))

    def find(self, name: KeyName) -> Key | None:
        """Return the key of this name, if there is one and it is selected; known by its private key file alone."""
        try:
            return super().find(name)
        except CheckFailed:
            path = f"{self._directory}/{name.domain}/{name.selector}.private"
            bare = Metadata("rsa", 0, "", phase=Phase.ACTIVE)
            public = self.public(Key(name.domain, name.selector, path, bare))
            known = bare._replace(algorithm=public.algorithm, bits=public.bits)
            return Key(name.domain, name.selector, path, known)


def chosen_keys(
    settings: Settings, store: LifecycleStore, installed: Names, chosen: Mapping[str, frozenset[str]]
) -> FilteredKeys:
    """Return, as active, the keys of the installed tables, and those that are to take their place.

    `installed`: domain and selector of each key that signs. `chosen`: domain → the selectors that are to sign.
    """

    def select(key: Key) -> Key | None:
        own = chosen.get(key.domain)
        signs = (key.domain, key.selector) in installed if own is None else key.selector in own
        return key._replace(metadata=key.metadata._replace(phase=Phase.ACTIVE)) if signs else None

    return _Chosen(store, select, settings.paths.keys, installed)
