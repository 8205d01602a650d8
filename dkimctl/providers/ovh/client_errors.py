"""What the HTTP library raises, as an OvhError that says what to check."""

from typing import TYPE_CHECKING

from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

if TYPE_CHECKING:
    from requests import RequestException

_PROXY_HINT = "check HTTPS_PROXY and NO_PROXY"


def unreached(error: "RequestException", method: str, path: str) -> OvhError:
    """Return the error for a call to which no usable answer came."""
    from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, SSLError

    from dkimctl.providers.bounded import UnusableAnswer

    call = f"{method} {path.partition('?')[0]}"
    if isinstance(error, UnusableAnswer):
        return _refused(f"the OVH API {error} ({call})", call, "look for a proxy or a portal between here and the API")
    if isinstance(error, SSLError):
        hint = "check this machine's clock and its CA certificates (apt install ca-certificates), or the proxy"
        return _refused(f"the certificate of the OVH API does not verify ({call})", call, hint)
    if isinstance(error, ProxyError):
        return _proxy(str(error), method, path)
    if isinstance(error, ConnectTimeout):
        return lost("cannot be reached: no connection in time", method, path)
    if isinstance(error, ReadTimeout):
        return lost("gave no answer in time", method, path)
    return _by_words(str(error), method, path)


def late(seconds: float, method: str, path: str) -> OvhError:
    """Return the error for an answer that was not complete in time."""
    return lost(f"gave no complete answer within {seconds:g} s", method, path)


def _refused(message: str, call: str, hint: str) -> OvhError:
    return OvhError(Kind.REFUSED, message, hint=hint, call=call)


def _proxy(words: str, method: str, path: str) -> OvhError:
    """A proxy that answers 407 is alive: it wants a name and a password."""
    if "407" in words:
        call = f"{method} {path.partition('?')[0]}"
        hint = "set HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT, or have the proxy let this machine pass"
        return _refused(f"the proxy wants a login before it lets a call to the OVH API pass (407, {call})", call, hint)
    return lost("cannot be reached through the proxy", method, path, hint=_PROXY_HINT)


def _by_words(words: str, method: str, path: str) -> OvhError:
    """Return the error for what has no class of its own."""
    if "NameResolution" in words or "Name or service" in words:
        return lost("cannot be reached: its name does not resolve", method, path, hint="check this machine's resolver")
    if "unreachable" in words or "No route" in words:
        hint = "this machine has no way to its address; if it has no IPv6, see that the name resolves to IPv4 as well"
        return lost("cannot be reached: no route to it", method, path, hint=hint)
    if "refused" in words:
        return lost("cannot be reached: connection refused", method, path)
    return lost("closed the connection before its answer was complete", method, path)
