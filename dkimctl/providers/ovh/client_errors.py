"""Convert exceptions of the HTTP library to an OvhError that says what to check."""

from typing import TYPE_CHECKING

from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

if TYPE_CHECKING:
    from requests import RequestException

_PROXY_HINT = "check HTTPS_PROXY and NO_PROXY"


def unreached(error: "RequestException", method: str, path: str) -> OvhError:
    """Return the error for a call without a usable answer."""
    from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, SSLError

    from dkimctl.providers.limited_http import UnusableAnswer

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
    return _by_message(str(error), method, path)


def late(seconds: float, method: str, path: str) -> OvhError:
    """Return the error for an answer that was not complete in time."""
    return lost(f"gave no complete answer within {seconds:g} s", method, path)


def _refused(message: str, call: str, hint: str) -> OvhError:
    return OvhError(Kind.REFUSED, message, hint=hint, call=call)


def _proxy(words: str, method: str, path: str) -> OvhError:
    """Return the error for a proxy: one that answers 407 is reachable and requires a login."""
    if "407" in words:
        call = f"{method} {path.partition('?')[0]}"
        hint = "set HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT, or have the proxy allow this machine"
        return _refused(f"the proxy requires a login for calls to the OVH API (407, {call})", call, hint)
    return lost("cannot be reached through the proxy", method, path, hint=_PROXY_HINT)


def _by_message(words: str, method: str, path: str) -> OvhError:
    """Return the error for an exception that only its message identifies."""
    if "NameResolution" in words or "Name or service" in words:
        return lost("cannot be reached: its name does not resolve", method, path, hint="check this machine's resolver")
    if "unreachable" in words or "No route" in words:
        hint = "this machine has no route to its address; if it has no IPv6, check that the name also resolves to IPv4"
        return lost("cannot be reached: no route to it", method, path, hint=hint)
    if "refused" in words:
        return lost("cannot be reached: connection refused", method, path)
    return lost("closed the connection before its answer was complete", method, path)
