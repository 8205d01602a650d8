"""API endpoints: OVH's names, or an `http://` URL on this machine."""

import ipaddress
import os
from urllib.parse import urlsplit

from dkimctl.errors import ConfigError
from dkimctl.names import printable

HINT = "OVH's names are ovh-eu, ovh-ca, ovh-us, kimsufi-eu, kimsufi-ca, soyoustart-eu and soyoustart-ca"

_WEB_HOSTS = {
    "ovh-eu": "eu.api.ovh.com",
    "ovh-ca": "ca.api.ovh.com",
    "ovh-us": "api.us.ovhcloud.com",
    "kimsufi-eu": "eu.api.kimsufi.com",
    "kimsufi-ca": "ca.api.kimsufi.com",
    "soyoustart-eu": "eu.api.soyoustart.com",
    "soyoustart-ca": "ca.api.soyoustart.com",
}
ENDPOINTS = tuple(_WEB_HOSTS)
"""OVH's names of its endpoints."""


def web_host(endpoint: str) -> str:
    """Return the host of the pages on which applications and keys for an endpoint are created."""
    return _WEB_HOSTS.get(endpoint, _WEB_HOSTS["ovh-eu"])


def is_url(endpoint: str) -> bool:
    """Return whether an endpoint is a URL rather than one of OVH's names."""
    return "://" in endpoint


def loopback_url(endpoint: str) -> str:
    """Return the URL without final slash. Raises ConfigError unless it is `http://` on a loopback address.

    Any other URL would send signed requests over the network unencrypted, or to an unknown host.
    """
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme == "http" and parts.port is not None and _is_loopback(parts.hostname or "")
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            f"not an endpoint: {printable(endpoint)} (a URL must be http:// on a loopback address, with a port)",
            hint=HINT,
        )
    return endpoint.rstrip("/")


def token_url(endpoint: str) -> str:
    """Return the URL at which a service account gets its token, for a loopback URL."""
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{parts.netloc}/auth/oauth2/token"


def allow_loopback() -> None:
    """Exempt this machine's addresses from proxies, and allow OAuth2 without TLS."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, "127.0.0.0/8", "localhost", "::1"]))
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    return ipaddress.ip_address(host).is_loopback
