"""The one door to the `ovh` library and to the HTTP library below it: one call in, one value or one OvhError out.

The library's `raw_call` is used, which signs and sends; its `call` throws the status of an unreadable answer away and
fails on some error bodies.
"""

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from dkimctl.errors import ConfigError
from dkimctl.providers.ovh.answers import Answer, strange_answer, without
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.endpoint import HINT, allow_loopback, is_url, loopback_url, token_url
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

if TYPE_CHECKING:
    from requests import RequestException, Response

_BUILDING = threading.Lock()
_LOG = logging.getLogger(__name__)
TIMEOUTS = (10.0, 30.0)  # seconds to connect and to read; the library's own 180 would hold a whole run up

TOKEN_PATH = "/auth/oauth2/token"  # noqa: S105
_NO_TOKEN = (AttributeError, TypeError, ValueError)
"""What the OAuth2 library raises over an answer that is JSON but no object."""


class Door:
    """An API account. Safe to use from several threads: each call has a client for itself while it lasts.

    Raises ConfigError for an unknown endpoint, or one that does not go with the kind of credentials.
    """

    def __init__(self, credentials: Credentials, *, timeout: tuple[float, float] = TIMEOUTS) -> None:
        self._credentials = credentials
        self._timeout = timeout
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._timing = threading.Lock()
        self._delta: int | None = None
        """By how many seconds the API's clock is ahead of ours; None until somebody has asked."""
        _new_client(credentials, timeout)  # calls nothing: a mistake is told before anything is done

    @property
    def endpoint(self) -> str:
        """Its name or URL."""
        return self._credentials.endpoint

    def value(self, method: str, path: str, body: dict[str, object] | None = None, *, signed: bool = True) -> Any:
        """What the API answers to one call, once. Raises OvhError, also when the answer holds no value.

        `signed=False` is for the one call that needs no consumer key: asking for one.
        """
        answer = self._send(method, path, body, signed=signed)
        value = answer.value()
        if value is None:
            raise lost("answered without a value", method, path, status=answer.status)
        return value

    def void(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        """One call, once, that has nothing to answer: 204, `null` and an empty body are all fine. Raises OvhError."""
        answer = self._send(method, path, body)
        if answer.content:
            answer.value()

    def _send(self, method: str, path: str, body: dict[str, object] | None, *, signed: bool = True) -> Answer:
        """The answer, when its status says success."""
        from ovh.exceptions import APIError
        from requests import RequestException

        client = self._client()
        try:
            response: Response = client.raw_call(method, path, data=body, need_auth=signed)
        except RequestException as error:
            _LOG.info("%s %s: no answer", method, path)
            raise _unreached(error, method, path) from None  # its words may hold the whole request
        except APIError as error:
            raise self._failed_before(error, method, path) from None
        except _NO_TOKEN:  # one had run out, and the answer to the wish for another was none
            raise lost("gave no access token", "POST", TOKEN_PATH) from None
        _LOG.info("%s %s: %d", method, path, response.status_code)  # never a body: some hold secrets
        answer = self._answer(method, path, response)
        refusal = None if answer.is_success else answer.refusal(self._secrets)
        if refusal is not None and refusal.kind is Kind.OUT_OF_TIME:
            refusal.message += f"; {_skew(client.time_delta)}"
            self._delta = None  # ask again: the time that the client holds is wrong, and so is the client
        else:
            self._idle.put(client)
        if refusal is not None:
            raise refusal
        return answer

    def _answer(self, method: str, path: str, response: "Response") -> Answer:
        after = response.headers.get("Retry-After", "")
        return Answer(method, path, self.endpoint, response.status_code, response.content, after)

    def _client(self) -> Any:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._connect()

    def _connect(self) -> Any:
        client = _new_client(self._credentials, self._timeout)
        if self._credentials.is_oauth2:
            _fetch_token(client, self._timeout)
            return client
        with self._timing:
            if self._delta is None:
                self._delta = self._asked_delta(client)
            client._time_delta = self._delta
        return client

    def _asked_delta(self, client: Any) -> int:
        """What the API's clock says, asked for once: a fault of that call must not look like one of the next."""
        from ovh.exceptions import APIError, HTTPError

        try:
            return int(client.time_delta)
        except HTTPError as error:
            raise _unreached(error.args[1], "GET", "/auth/time") from None
        except (APIError, TypeError, ValueError, AttributeError) as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code == 429:  # which says when to come again
                raise self._answer("GET", "/auth/time", response).refusal(self._secrets) from None
            # the library trips over answers that are no number
            raise lost("does not answer as an API", "GET", "/auth/time", hint=strange_answer(self.endpoint)) from None

    def _failed_before(self, error: Exception, method: str, path: str) -> OvhError:
        """The library refused before anything was sent, or a token could not be had."""
        said = without(self._secrets, str(error).partition("\n")[0])
        return OvhError(
            Kind.REFUSED,
            f"the ovh library refused: {said}",
            hint="check the OVH credentials",
            call=f"{method} {path}",
        )

    @property
    def _secrets(self) -> tuple[str, ...]:
        c = self._credentials
        return (c.application_secret, c.consumer_key, c.client_secret, c.application_key, c.client_id)


def _new_client(credentials: Credentials, timeout: tuple[float, float]) -> Any:
    import configparser

    try:
        import ovh
        import ovh.client
    except configparser.Error:  # it reads ./ovh.conf and two others as it is imported
        raise ConfigError(
            "the ovh library cannot read one of its files: /etc/ovh.conf, ~/.ovh.conf or ./ovh.conf",
            hint="mend or remove the file",
        ) from None
    endpoint = credentials.endpoint
    if is_url(endpoint):
        allow_loopback()
        ovh.client.ENDPOINTS[endpoint] = loopback_url(endpoint)
        ovh.client.OAUTH2_TOKEN_URLS[endpoint] = token_url(endpoint)
    try:
        with _nothing_but_arguments(ovh.client):
            return ovh.Client(
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


class _NoConfiguration:
    def get(self, section: str, name: str) -> None:
        """Nothing is configured."""


@contextmanager
def _nothing_but_arguments(library: Any) -> Iterator[None]:
    """Keep the library from filling up what it is not given from OVH_* variables and files, ./ovh.conf among them.

    Even an empty variable would count, and make two kinds of credentials of one.
    """
    with _BUILDING:
        configuration = library.config
        library.config = SimpleNamespace(ConfigurationManager=_NoConfiguration)
        try:
            yield
        finally:
            library.config = configuration


def _fetch_token(client: Any, timeout: tuple[float, float]) -> None:
    """Get the first token here: the library would do it without any timeout, and inside the next call."""
    import logging

    from oauthlib.oauth2 import BackendApplicationClient
    from ovh.exceptions import OAuth2FailureError
    from ovh.oauth2 import RefreshOAuth2Session
    from requests import RequestException

    for library in ("requests_oauthlib", "oauthlib"):
        logging.getLogger(library).setLevel(logging.WARNING)  # at DEBUG they log the token
    account = client._oauth2
    session = RefreshOAuth2Session(
        token_url=account.token_url, client=BackendApplicationClient(client_id=account.client_id, scope=["all"])
    )
    path = TOKEN_PATH
    try:
        account._token = session.fetch_token(
            token_url=account.token_url,
            client_id=account.client_id,
            client_secret=account.client_secret,
            timeout=timeout,
        )
        account.session.auto_refresh_kwargs["timeout"] = timeout
    except RequestException as error:
        raise _unreached(error, "POST", path) from None
    except OAuth2FailureError as error:
        raise _no_token(str(error), path) from None
    except _NO_TOKEN:
        raise lost("gave no access token", "POST", path) from None


def _no_token(said: str, path: str) -> OvhError:
    if "status_code=5" in said or not ("status_code=4" in said or "invalid_client" in said):
        return lost("gave no access token", "POST", path)
    return OvhError(
        Kind.REFUSED,
        "OVH refused the service account: client id or client secret is wrong",
        hint="check OVH_CLIENT_ID and OVH_CLIENT_SECRET, and that they belong to this endpoint",
        status=401,
        call=f"POST {path}",
    )


def _skew(delta: int) -> str:
    """What the difference between their clock and ours, in seconds, means."""
    if not delta:
        return "theirs says the same as this one's (GET /auth/time)"
    return f"this one's is {abs(delta)} s {'behind' if delta > 0 else 'ahead of'} theirs (GET /auth/time)"


def _unreached(error: "RequestException", method: str, path: str) -> OvhError:
    from requests.exceptions import ConnectTimeout, ProxyError, ReadTimeout, SSLError

    call = f"{method} {path.partition('?')[0]}"
    if isinstance(error, SSLError):
        return OvhError(
            Kind.REFUSED,
            f"the certificate of the OVH API does not verify ({call})",
            hint="check this machine's clock and its CA certificates (apt install ca-certificates), or the proxy",
            call=call,
        )
    if isinstance(error, ProxyError):
        return lost("cannot be reached through the proxy", method, path, hint="check HTTPS_PROXY and NO_PROXY")
    if isinstance(error, ConnectTimeout):
        return lost("cannot be reached: no connection in time", method, path)
    if isinstance(error, ReadTimeout):
        return lost("gave no answer in time", method, path)
    words = str(error)
    if "NameResolution" in words or "Name or service" in words:
        return lost("cannot be reached: its name does not resolve", method, path, hint="check this machine's resolver")
    if "unreachable" in words or "No route" in words:
        hint = "this machine has no way to its address; if it has no IPv6, see that the name resolves to IPv4 as well"
        return lost("cannot be reached: no route to it", method, path, hint=hint)
    if "refused" in words:
        return lost("cannot be reached: connection refused", method, path)
    return lost("closed the connection before its answer was complete", method, path)
