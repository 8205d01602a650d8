"""Make one call to the API within a deadline: it returns a value or raises an OvhError.

The library's `raw_call` signs and sends the request; its `call` would drop the status of an unreadable answer and
fail on some error bodies.
"""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dkimctl.deadline import within
from dkimctl.providers.ovh.answers import ApiAnswer, strange_answer, without
from dkimctl.providers.ovh.client_errors import late, unreached
from dkimctl.providers.ovh.client_library import new_client
from dkimctl.providers.ovh.client_token import NO_TOKEN, fetch_token
from dkimctl.providers.ovh.client_token import PATH as TOKEN_PATH
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

if TYPE_CHECKING:
    from requests import Response

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
TIMEOUTS = (10.0, 30.0)  # seconds to connect, and without a byte; the library's own 180 would block a whole run
DEADLINE = 60.0  # seconds for one call from its start to its last byte
_LARGEST_SKEW = 10 * 366 * 86400  # seconds; a larger difference of clocks is an invalid answer


class ApiClient:
    """An API account. Safe to use from several threads: each call uses a library client exclusively.

    Raises ConfigError for an unknown endpoint, or one that does not fit the kind of credentials.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        timeout: tuple[float, float] = TIMEOUTS,
        deadline: float = DEADLINE,
        zones: Sequence[str] = (),
    ) -> None:
        """Check the credentials without a call. `zones`: named in hints that advise a new key."""
        self._credentials = credentials
        self._timeout = timeout
        self._deadline = deadline
        self._zones = tuple(zones)
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._timing = threading.Lock()
        self._delta: int | None = None
        """Seconds by which the API's clock is ahead of ours; None until it was asked."""
        new_client(credentials, timeout)  # makes no call: a mistake is reported before anything is changed

    @property
    def endpoint(self) -> str:
        """The endpoint's name or URL."""
        return self._credentials.endpoint

    def value(self, method: str, path: str, body: dict[str, object] | None = None, *, signed: bool = True) -> Any:
        """Make one call, once, and return its value. Raises OvhError, also for an answer without a value.

        `signed=False` is for the one call that needs no consumer key: requesting one.
        """
        answer = self._send(method, path, body, signed=signed)
        value = answer.value()
        if value is None:
            raise lost("answered without a value", method, path, status=answer.status)
        return value

    def void(self, method: str, path: str, body: dict[str, object] | None = None) -> None:
        """Make one call, once, that returns nothing: 204, `null` and an empty body are all accepted.

        Raises OvhError.
        """
        answer = self._send(method, path, body)
        if answer.content:
            answer.value()

    def _send(self, method: str, path: str, body: dict[str, object] | None, *, signed: bool = True) -> ApiAnswer:
        """Send a call and return its answer. Raises OvhError unless its status says success."""
        from ovh.exceptions import APIError
        from requests import RequestException

        client = self._client()
        try:
            response: Response = self._in_time(
                lambda: client.raw_call(method, path, data=body, need_auth=signed), method, path
            )
        except RequestException as error:
            _LOG.info("%s %s: no answer", method, path)
            raise unreached(error, method, path) from None  # its message may hold the whole request
        except APIError as error:
            raise self._failed_before(error, method, path) from None
        except NO_TOKEN:  # the token had expired, and the request for a new one got no usable answer
            raise lost("gave no access token", "POST", TOKEN_PATH) from None
        _LOG.info("%s %s: %d", method, path, response.status_code)  # never a body: some hold secrets
        answer = self._answer(method, path, response)
        refusal = None if answer.is_success else answer.refusal(self._secrets, self._zones)
        if refusal is not None and refusal.kind is Kind.OUT_OF_TIME:
            refusal.message += f"; {_skew(client.time_delta)}"
            self._delta = None  # ask again: the client holds a wrong time difference and is not reused
        else:
            self._idle.put(client)
        if refusal is not None:
            raise refusal
        return answer

    def _in_time(self, function: Callable[[], T], method: str, path: str) -> T:
        try:
            return within(self._deadline, function, f"{method} {path}")
        except TimeoutError:
            raise late(self._deadline, method, path) from None

    def _answer(self, method: str, path: str, response: "Response") -> ApiAnswer:
        after = response.headers.get("Retry-After", "")
        return ApiAnswer(method, path, self.endpoint, response.status_code, response.content, after)

    def _client(self) -> Any:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return self._connect()

    def _connect(self) -> Any:
        client = new_client(self._credentials, self._timeout)
        if self._credentials.is_oauth2:
            self._in_time(lambda: fetch_token(client, self._timeout), "POST", TOKEN_PATH)
            return client
        with self._timing:
            if self._delta is None:
                self._delta = self._in_time(lambda: self._asked_delta(client), "GET", "/auth/time")
            client._time_delta = self._delta
        return client

    def _asked_delta(self, client: Any) -> int:
        """Ask for the API's time and return by how many seconds its clock is ahead. Raises OvhError."""
        from ovh.exceptions import APIError, HTTPError

        try:
            delta = int(client.time_delta)
            if abs(delta) < _LARGEST_SKEW:
                return delta
        except HTTPError as error:
            raise unreached(error.args[1], "GET", "/auth/time") from None
        except (APIError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            response = getattr(error, "response", None)
            if response is not None and response.status_code == 429:  # its header says when to retry
                raise self._answer("GET", "/auth/time", response).refusal(self._secrets, self._zones) from None
        # the library fails on answers that are not a number
        raise lost("does not answer like an API", "GET", "/auth/time", hint=strange_answer(self.endpoint)) from None

    def _failed_before(self, error: Exception, method: str, path: str) -> OvhError:
        """Return the error for a call that the library refused to send, or for a missing access token."""
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


def _skew(delta: int) -> str:
    """Describe the difference between the API's clock and this machine's, in seconds."""
    if not delta:
        return "both clocks now show the same time (GET /auth/time)"
    return f"this machine's is {abs(delta)} s {'slow' if delta > 0 else 'fast'} compared to theirs (GET /auth/time)"
