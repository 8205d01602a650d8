"""The clock: what the kernel, chrony, timesyncd and a server's Date say, and what follows."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable
from dkimctl.host.clockstate import ClockState, ahead_of, chrony_offset, read_clock_state
from dkimctl.host.doctor.machine import judge_clock


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ClockState(kernel=True), None),
        (ClockState(kernel=False), "DKIM910"),
        (ClockState(kernel=None), "DKIM912"),
        (ClockState(kernel=False, timesyncd=True), None),
        (ClockState(kernel=False, chrony=0.0001), None),
        (ClockState(kernel=True, chrony=-19.2), "DKIM911"),
        (ClockState(kernel=True, remote=0.7, remote_name="x"), None),
        (ClockState(kernel=True, remote=19.0, remote_name="x"), "DKIM911"),
        (ClockState(kernel=True, remote=-3600.0, remote_name="x"), "DKIM911"),
        (ClockState(kernel=False, remote=0.2, remote_name="x"), "DKIM910"),
    ],
)
def test_judgement(state: ClockState, code: str | None) -> None:
    """A clock that is off is an error, one that nobody keeps a warning, one that nobody can tell about unknown."""
    assert [d.finding.code for d in judge_clock(state)] == ([code] if code else [])


def test_this_machine() -> None:
    """adjtimex(2) answers here, with yes or no."""
    assert read_clock_state().kernel in (True, False)


def test_chrony() -> None:
    """The offset that chronyc prints, with its direction; none while it is not synchronised."""
    tracking = "Reference ID    : 0\nSystem time     : 19.250000000 seconds fast of NTP time\nLeap status     : {}\n"
    assert chrony_offset(tracking.format("Normal")) == 19.25
    assert chrony_offset(tracking.format("Normal").replace("fast", "slow")) == -19.25
    assert chrony_offset(tracking.format("Not synchronised")) is None
    assert chrony_offset("506 Cannot talk to daemon\n") is None


@contextmanager
def server(behind: float | None, status: int = 200) -> Iterator[str]:
    """An HTTP server whose Date is so many seconds behind; None: it sends no Date."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            if behind is not None:
                now = datetime.now(UTC) - timedelta(seconds=behind)
                self.send_header("Date", format_datetime(now, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/1.0/auth/time"
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize("behind", [0, 19, -19, 3600])
@pytest.mark.parametrize("status", [200, 403])
def test_against_a_server(behind: int, status: int) -> None:
    """The difference to a server's Date is found to the second, also when the server refuses the request."""
    with server(behind, status) as url:
        assert abs(ahead_of(url, SYSTEM_CLOCK) - behind) < 3


def test_a_server_that_does_not_tell() -> None:
    """No Date and no server are both "not known", never "right"."""
    with server(None) as url, pytest.raises(Unavailable, match="sent no Date"):
        ahead_of(url, SYSTEM_CLOCK)
    with pytest.raises(Unavailable, match="does not answer"):
        ahead_of(url, SYSTEM_CLOCK)
