"""Faults of the sandbox's API: each kind as seen by a client, and whether the change was made."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ovh.exceptions import (
    APIError,
    HTTPError,
    InvalidResponse,
    ResourceConflictError,
    ResourceExpiredError,
)
from requests.exceptions import ReadTimeout

from dkimctl.sandbox import Fault, Sandbox, Switches
from dkimctl.sandbox.faultkinds import FAULT_KINDS
from dkimctl.sandbox.faults import AFTER
from tests.sandbox_clients import KEY_2048, RECORDS, REFRESH, ZONE, library, raw

POST = {"fieldType": "DKIM", "subDomain": "mail._domainkey", "target": KEY_2048}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox without latency."""
    with Sandbox([ZONE]) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[Any]:
    """The real library, which has asked for the time, so that its next call is number 1."""
    with library(sandbox) as client:
        client.time_delta  # noqa: B018  # asks on first use
        sandbox.clear_calls()
        yield client


def keys(sandbox: Sandbox) -> int:
    """How many DKIM records the zone has."""
    return sum(record.field_type == "DKIM" for record in sandbox.zone(ZONE).edited)


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("408-html", InvalidResponse, 408),
        ("502-html", InvalidResponse, 502),
        ("html-200", InvalidResponse, 200),
        ("500-json", APIError, 500),
        ("429", APIError, 429),
        ("409", ResourceConflictError, 409),
        ("460", ResourceExpiredError, 460),
        ("null-error", AttributeError, 500),
        ("reset-before", HTTPError, 0),
    ],
)
def test_faults_instead_of_the_call(sandbox: Sandbox, api: Any, kind: Any, error: type[Exception], status: int) -> None:
    """These faults replace the call: an error for the client, no change, and the next call works."""
    sandbox.faults.add(Fault(kind, method="POST"))
    with pytest.raises(error):
        api.post(RECORDS, **POST)
    assert keys(sandbox) == 0
    assert sandbox.calls[-1].status == status
    assert sandbox.calls[-1].method == "POST"
    assert api.post(RECORDS, **POST)["id"]


@pytest.mark.parametrize(
    ("kind", "error"), [("reset-after", HTTPError), ("truncated-json", InvalidResponse), ("empty-200", InvalidResponse)]
)
def test_faults_after_the_call(sandbox: Sandbox, api: Any, kind: Any, error: type[Exception]) -> None:
    """With these the change is made and only the answer is lost."""
    sandbox.faults.add(Fault(kind, method="POST"))
    with pytest.raises(error):
        api.post(RECORDS, **POST)
    assert keys(sandbox) == 1


def test_null_instead_of_the_record(sandbox: Sandbox, api: Any) -> None:
    """The record is made, the answer is null."""
    sandbox.faults.add(Fault("null", method="POST"))
    assert api.post(RECORDS, **POST) is None
    assert keys(sandbox) == 1


def test_reset_is_a_reset(sandbox: Sandbox) -> None:
    """The client sees RST, not an orderly end."""
    for kind in ("reset-before", "reset-after"):
        sandbox.faults.add(Fault(kind))  # type: ignore[arg-type]
        with pytest.raises(ConnectionResetError):
            raw(sandbox, "GET", "/1.0/auth/time")


def test_timeout(sandbox: Sandbox, api: Any) -> None:
    """No answer comes and no change is made; the client's own limit ends it."""
    sandbox.faults.add(Fault("timeout", method="POST"))
    api._timeout = 0.1
    with pytest.raises(HTTPError) as caught:
        api.post(RECORDS, **POST)
    assert isinstance(caught.value.args[1], ReadTimeout)
    assert keys(sandbox) == 0


def test_slow_body(sandbox: Sandbox, api: Any) -> None:
    """A slow answer takes its time and comes whole."""
    sandbox.faults.add(Fault("slow-body", method="POST", seconds=0.2))
    started = time.monotonic()
    assert api.post(RECORDS, **POST)["target"] == KEY_2048
    assert time.monotonic() - started > 0.1


def test_retry_after(sandbox: Sandbox, api: Any) -> None:
    """A 429 carries Retry-After when asked to."""
    for wanted, shown in ((None, None), (2, "2"), (0.5, "0.5")):
        sandbox.faults.add(Fault("429", retry_after=wanted))
        with pytest.raises(APIError) as caught:
            api.get(RECORDS)
        assert caught.value.response.headers.get("Retry-After") == shown


def test_fault_by_number(sandbox: Sandbox, api: Any) -> None:
    """`call=3` is the third call since the log was cleared, whatever it is, and only that one."""
    sandbox.faults.add(Fault("500-json", call=3))
    answers = []
    for _ in range(4):
        try:
            answers.append(api.get(RECORDS))
        except APIError as error:
            answers.append(error.response.status_code)
    assert [answer == 500 for answer in answers] == [False, False, True, False]
    assert sandbox.calls[3 - 1].status == 500


def test_numbers_start_again(sandbox: Sandbox, api: Any) -> None:
    """After `clear_calls` the next call is number 1."""
    api.get(RECORDS)
    sandbox.clear_calls()
    sandbox.faults.add(Fault("500-json", call=1))
    with pytest.raises(APIError):
        api.get(RECORDS)
    assert len(sandbox.calls) == 1


def test_fault_by_pattern(sandbox: Sandbox, api: Any) -> None:
    """Method and path pattern must both fit; the query is no part of the path."""
    sandbox.faults.add(Fault("500-json", method="GET", path="/domain/zone/*/record", times=2))
    assert api.post(RECORDS, **POST)
    assert api.get(f"/domain/zone/{ZONE}")
    for _ in range(2):
        with pytest.raises(APIError):
            api.get(RECORDS, subDomain="x")
    assert api.get(RECORDS, subDomain="x") == []


def test_fault_for_ever(sandbox: Sandbox, api: Any) -> None:
    """`times=None` hits every call until the faults are cleared."""
    sandbox.faults.add(Fault("500-json", times=None))
    for _ in range(3):
        with pytest.raises(APIError):
            api.get(RECORDS)
    assert len(sandbox.faults.pending) == 1
    sandbox.faults.clear()
    assert api.get(RECORDS)
    assert sandbox.faults.pending == ()


def test_first_fault_wins(sandbox: Sandbox, api: Any) -> None:
    """If two faults match one call, the first one added happens, and the other affects the next call."""
    sandbox.faults.add(Fault("409"))
    sandbox.faults.add(Fault("460"))
    with pytest.raises(ResourceConflictError):
        api.get(RECORDS)
    with pytest.raises(ResourceExpiredError):
        api.get(RECORDS)


@pytest.mark.parametrize("kind", sorted(FAULT_KINDS))
def test_the_server_works_after_every_kind(kind: Any) -> None:
    """After any fault, on a call without and one with a body, the sandbox answers and stops cleanly."""
    with Sandbox([ZONE], Switches(void="204")) as sandbox, library(sandbox) as api:
        api.time_delta  # noqa: B018  # asks on first use
        for call in (lambda: api.get(RECORDS), lambda: api.post(RECORDS, **POST), lambda: api.post(REFRESH)):
            sandbox.faults.add(Fault(kind, seconds=0.1))
            api._timeout = 0.1 if kind == "timeout" else 5
            with contextlib.suppress(APIError, AttributeError):
                call()
        api._timeout = 5
        assert keys(sandbox) == (1 if kind in AFTER else 0)
        assert sandbox.zone(ZONE).refreshes == (1 if kind in AFTER else 0)
        assert sandbox.faults.pending == ()
        assert api.get(RECORDS)


def test_body_without_length(sandbox: Sandbox, api: Any) -> None:
    """A request of unknown length is refused, without effect on other clients."""
    for headers in ({"Content-Length": "-1"}, {"Content-Length": "x"}, {"Transfer-Encoding": "chunked"}):
        assert raw(sandbox, "POST", f"/1.0{RECORDS}", headers=headers)[0] == 411
    assert api.get(RECORDS)


def test_client_that_hangs_up(sandbox: Sandbox, api: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """A client that disconnects has no effect on others, and nothing is printed."""
    host, port = sandbox.api_url.removeprefix("http://").removesuffix("/1.0").split(":")
    for start in (b"", b"GET /1.0/auth/time HTTP/1.1\r\nHost: x", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(start)
    assert api.get(RECORDS)
    assert capfd.readouterr() == ("", "")
