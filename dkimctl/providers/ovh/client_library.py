"""The `ovh` library, loaded and built so that it reads nothing but what it is given.

As it is imported it reads /etc/ovh.conf, ~/.ovh.conf and ./ovh.conf, and each client it makes reads them and the
environment again. In a directory of somebody else's, ./ovh.conf may be a pipe that never ends.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

from dkimctl.errors import ConfigError
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.endpoint import HINT, allow_loopback, is_url, loopback_url, token_url

_CONFIG = "ovh.config"
_LOADING = threading.RLock()


def new_client(credentials: Credentials, timeout: tuple[float, float]) -> Any:
    """Return a client of the library whose HTTP session is limited. Calls nothing yet. Raises ConfigError.

    `timeout`: seconds to connect, and between two pieces of an answer.
    """
    from dkimctl.providers.bounded import bound

    ovh = load()
    endpoint = credentials.endpoint
    if is_url(endpoint):
        allow_loopback()
        ovh.client.ENDPOINTS[endpoint] = loopback_url(endpoint)
        ovh.client.OAUTH2_TOKEN_URLS[endpoint] = token_url(endpoint)
    try:
        with _nothing_but_arguments(ovh.client):
            client = ovh.Client(
                endpoint=endpoint,
                application_key=credentials.application_key or None,
                application_secret=credentials.application_secret or None,
                consumer_key=credentials.consumer_key or None,
                client_id=credentials.client_id or None,
                client_secret=credentials.client_secret or None,
                timeout=timeout,
            )
    except ovh.InvalidRegion:
        raise ConfigError(f"unknown OVH endpoint: {endpoint}", hint=HINT) from None
    except ovh.exceptions.InvalidConfiguration as error:
        raise ConfigError(f"OVH credentials: {error}", hint="unset the OVH_* variables that are not meant") from None
    bound(client._session)
    return client


def load() -> Any:
    """Return the library, imported without its configuration files."""
    with _LOADING:
        if "ovh" not in sys.modules:
            sys.modules[_CONFIG] = _LaterConfig(_CONFIG)
            try:
                import_module("ovh.client")
            finally:
                if isinstance(sys.modules.get(_CONFIG), _LaterConfig):
                    del sys.modules[_CONFIG]
        import ovh
        import ovh.client

        return ovh


class _LaterConfig(ModuleType):
    """Takes the place of `ovh.config` until some other user of the library needs it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks for its own
            raise AttributeError(name)
        return getattr(import_module(_CONFIG), name)


class _NoConfiguration:
    def get(self, section: str, name: str) -> None:
        """Nothing is configured."""


@contextmanager
def _nothing_but_arguments(library: Any) -> Iterator[None]:
    """Keep the library from filling in what it is not given from OVH_* variables and its files.

    Even an empty variable would count, and make two kinds of credentials of one.
    """
    with _LOADING:
        configuration = library.config
        library.config = SimpleNamespace(ConfigurationManager=_NoConfiguration)
        try:
            yield
        finally:
            library.config = configuration
