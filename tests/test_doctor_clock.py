"""The clock: what the kernel, chrony, timesyncd and a server's Date say, and what follows."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.load import load_settings
from dkimctl.doctor.clock import judge_clock, time_url
from dkimctl.errors import Unavailable
from dkimctl.host.clockstate import ClockState, ahead_of, chrony_offset, read_clock_state, started
from dkimctl.host.world import read_world
from tests.conftest import DkimctlInside
from tests.hostile_http import dripping, fixed, hostile_server
from tests.rendering import manage, settings_for


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (ClockState(kernel=True), None),
        (ClockState(kernel=False), "DKIM910"),
        (ClockState(kernel=None), "DKIM912"),
        (ClockState(kernel=None, remote=0.4, remote_name="an API"), None),
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
    """A wrong clock is an error, an unsynchronised one a warning, one that cannot be checked unknown."""
    assert [d.finding.code for d in judge_clock(state)] == ([code] if code else [])


def test_this_machine() -> None:
    """adjtimex(2) reports the state of the clock as yes or no."""
    assert read_clock_state().kernel in (True, False)


def test_when_a_process_was_started() -> None:
    """The start of a process is known to a fraction of a second, whenever the machine was booted."""
    before = time.time()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        began, after = started(process.pid), time.time()
    assert began is not None
    assert before - 0.1 < began < after + 0.1


def test_chrony() -> None:
    """The offset that chronyc prints, with its direction; none while it is not synchronised."""
    tracking = "Reference ID    : 0\nSystem time     : 19.250000000 seconds fast of NTP time\nLeap status     : {}\n"
    assert chrony_offset(tracking.format("Normal")) == 19.25
    assert chrony_offset(tracking.format("Normal").replace("fast", "slow")) == -19.25
    assert chrony_offset(tracking.format("Not synchronised")) is None
    assert chrony_offset("506 Cannot talk to daemon\n") is None


@contextmanager
def server(slow_by: float | str | None, status: int = 200) -> Iterator[str]:
    """An HTTP server whose Date is so many seconds slow; None: it sends no Date."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            if isinstance(slow_by, str):
                self.send_header("Date", slow_by)
            elif slow_by is not None:
                now = datetime.now(UTC) - timedelta(seconds=slow_by)
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


@pytest.mark.parametrize("slow_by", [0, 19, -19, 3600])
@pytest.mark.parametrize("status", [200, 403])
def test_against_a_server(slow_by: int, status: int) -> None:
    """The offset from a server's Date is found to the second, also when the server refuses the request."""
    with server(slow_by, status) as url:
        assert abs(ahead_of(url, SYSTEM_CLOCK) - slow_by) < 3


def test_a_server_that_does_not_tell() -> None:
    """A missing Date and an unreachable server are both "unknown", never "right"."""
    with server(None) as url, pytest.raises(Unavailable, match="sent no Date"):
        ahead_of(url, SYSTEM_CLOCK)
    with pytest.raises(Unavailable, match="does not answer"):
        ahead_of(url, SYSTEM_CLOCK)


def test_a_redirect_is_an_answer_with_a_date() -> None:
    """A redirect is not followed."""
    with hostile_server(lambda _: fixed(b"null")) as other:
        now = format_datetime(datetime.now(UTC), usegmt=True)
        redirect = fixed(b"", f"Location: {other.url}", f"Date: {now}", status="302 Found")
        with hostile_server(lambda _: redirect) as asked:
            assert abs(ahead_of(asked.url, SYSTEM_CLOCK)) < 3
    assert other.heads == []


def test_a_server_that_drips_its_headers_is_given_up() -> None:
    """The whole answer has one deadline."""
    with (
        hostile_server(lambda s: dripping(s, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n")) as asked,
        pytest.raises(Unavailable, match=r"nothing within 0\.5 s"),
    ):
        ahead_of(asked.url, SYSTEM_CLOCK, timeout=0.5)


@pytest.mark.parametrize("date", ["yesterday", "Wed, 99 Nov 2026 99:99:99 GMT", "Wed, 25 Nov 99999 10:00:00 GMT", ""])
def test_a_date_that_is_none(date: str) -> None:
    """An invalid Date is "unknown", and no traceback."""
    with server(date) as url, pytest.raises(Unavailable, match="sent no Date"):
        ahead_of(url, SYSTEM_CLOCK)


def test_a_date_without_a_zone() -> None:
    """A Date is UTC, even where "-0000" or nothing says so, and whatever this machine's zone is."""
    now = datetime.now(UTC)
    for date in (f"{now:%a, %d %b %Y %H:%M:%S} -0000", f"{now:%a, %d %b %Y %H:%M:%S}"):
        with server(date) as url:
            assert abs(ahead_of(url, SYSTEM_CLOCK)) < 3


OWN = "[default]\nendpoint = {}\n\n[ovh-ca]\napplication_key = a\napplication_secret = b\nconsumer_key = c\n"


@pytest.mark.parametrize(
    ("config", "credentials", "environment", "url"),
    [
        ("", "", {}, ""),
        ('provider = "ovh"\n', "", {}, "https://eu.api.ovh.com/1.0/auth/time"),
        ("", "ovh-ca", {}, "https://ca.api.ovh.com/1.0/auth/time"),
        ('provider = "ovh"\n', "ovh-ca", {}, "https://ca.api.ovh.com/1.0/auth/time"),
        ('provider = "ovh"\n', "", {"OVH_ENDPOINT": "http://127.0.0.1:9/1.0"}, "http://127.0.0.1:9/1.0/auth/time"),
        ('[domains."example.com"]\nprovider = "ovh"\n', "", {}, "https://eu.api.ovh.com/1.0/auth/time"),
    ],
)
def test_whose_date(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    credentials: str,
    environment: dict[str, str],
    url: str,
) -> None:
    """OVH's clock is asked where OVH is used: named in the configuration, or with a credential on this host."""
    (tmp_path / "etc/dkimctl").mkdir(parents=True)
    (tmp_path / "dkimctl.toml").write_text(config)
    if credentials:
        (tmp_path / "etc/dkimctl/ovh.conf").write_text(OWN.format(credentials))
        (tmp_path / "etc/dkimctl/ovh.conf").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OVH_ENDPOINT", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(tmp_path / "dkimctl.toml", root=tmp_path, environment={})
    assert time_url(read_world(settings)) == url


@contextmanager
def counting() -> Iterator[tuple[str, list[str]]]:
    """The endpoint of an API that answers every request with 404, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/1.0", asked
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize("options", [["--no-dns"], ["--no-dns", "--fix"], ["--dns"]])
def test_without_dns_no_other_host_is_asked(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str]
) -> None:
    """`doctor --no-dns` makes no request, not even at a round of `--fix`; with DNS, OVH's clock is asked once."""
    monkeypatch.setattr("dkimctl.host.world.World.is_live", property(lambda _: True))
    manage(settings_for(dkimctl_inside.root), "example.com")
    config = tmp_path / "dkimctl.toml"
    with counting() as (endpoint, asked):
        config.write_text(f'provider = "ovh"\n[providers.ovh]\nendpoint = "{endpoint}"\n')
        dkimctl_inside("doctor", "--config", config, *options)
    assert asked.count("/1.0/auth/time") == (1 if options == ["--dns"] else 0)
    assert options == ["--dns"] or asked == []
