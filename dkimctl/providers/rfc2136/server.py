"""Read the server and its TSIG key from the provider's argument and the `[providers.rfc2136]` table."""

import re

from dkimctl.errors import ConfigError
from dkimctl.names import is_host, printable
from dkimctl.providers.base import ProviderSetup
from dkimctl.providers.rfc2136.client import UpdateClient
from dkimctl.providers.rfc2136.key import read_key
from dkimctl.providers.table import check_strings

OWN_FILE = "/etc/dkimctl/rfc2136.key"
OPTIONS = ("server", "key_file")
_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+))(?::(\d{1,5}))?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def client_for(setup: ProviderSetup) -> UpdateClient:
    """Return a client for the configured server. Raises ConfigError. Sends nothing."""
    hint = f'the secret does not belong there: name its file with key_file = "{OWN_FILE}"'
    check_strings("rfc2136", setup.options, OPTIONS, hint=hint)
    server = setup.argument or str(setup.options.get("server", ""))
    if not server:
        raise ConfigError(
            "the provider rfc2136 needs the zone's primary server",
            hint='type: --provider rfc2136:HOST[:PORT], or set server = "HOST" in [providers.rfc2136]',
        )
    address = server_address(server)
    return UpdateClient(address, read_key(setup.settings.at(str(setup.options.get("key_file", OWN_FILE)))))


def server_address(text: str) -> tuple[str, int]:
    """Parse `HOST`, `HOST:PORT`, `2001:db8::1` or `[2001:db8::1]:PORT` to host and port. Raises ConfigError."""
    if _IPV6.fullmatch(text):
        return text, 53
    match = _SERVER.fullmatch(text)
    port = int(match[3] or 53) if match else 0
    if match is None or not 0 < port < 65536 or not is_host(match[1] or match[2]):
        raise ConfigError(
            f"not a name server: {printable(text)}",
            hint="write HOST or HOST:PORT, such as ns1.example.com or [2001:db8::1]:5353",
        )
    return match[1] or match[2], port
