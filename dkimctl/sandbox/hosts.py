"""The `Host` of a request: check that it is this machine, and derive the URLs that a client may have signed."""

import ipaddress
import re

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?")


def is_loopback_host(host: str) -> bool:
    """Return whether a `Host` field names this machine: `localhost`, 127.0.0.0/8 or `[::1]`, with any port."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].strip("[]").lower().removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def signed_urls(host: str, target: str) -> tuple[str, ...]:
    """Return the URLs that a client may have signed for a request with this `Host` and target.

    With a TLS proxy the client uses https; some clients sign the host without its port.
    """
    match = _HOST.fullmatch(host)
    hosts = dict.fromkeys((host, match["name"] if match else host))
    return tuple(f"{scheme}://{name}{target}" for name in hosts for scheme in ("http", "https"))
