"""Load the `ovh` library and create its clients so that they read no configuration files or variables.

On import the library reads /etc/ovh.conf, ~/.ovh.conf and ./ovh.conf, and each client reads them and the environment
again. In another user's directory, ./ovh.conf may be a pipe that never ends.
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
    """Return a client of the library whose HTTP session is limited. Makes no call. Raises ConfigError.

    `timeout`: seconds to connect, and between two pieces of an answer.
    """
    from dkimctl.providers.limited_http import bound

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
    """Import the library without its configuration files, and return it."""
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
    """A placeholder for `ovh.config` that imports the real module when another user of the library needs it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks for its own
            raise AttributeError(name)
        return getattr(import_module(_CONFIG), name)


class _NoConfiguration:
    def get(self, section: str, name: str) -> None:
        """Return None: nothing is configured."""


@contextmanager
def _nothing_but_arguments(library: Any) -> Iterator[None]:
    """Keep the library from taking missing arguments from OVH_* variables and its files.

    Even an empty variable would count, and make the credentials seem to be of two kinds.
    """
    with _LOADING:
        configuration = library.config
        library.config = SimpleNamespace(ConfigurationManager=_NoConfiguration)
        try:
            yield
        finally:
            library.config = configuration
