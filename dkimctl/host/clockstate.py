"""State of this machine's clock, as reported by the kernel, chrony, timesyncd, and a server's Date."""

import ctypes
import os
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from dkimctl.clock import Clock
from dkimctl.deadline import within
from dkimctl.errors import Unavailable, reason
from dkimctl.programs import find_program, run_program

_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of <sys/timex.h>
_TIME_ERROR = 5
_TIMESYNCD = Path("/run/systemd/timesync/synchronized")
_SYSTEM_TIME = re.compile(r"^System time\s*:\s*([\d.]+) seconds (slow|fast)", re.MULTILINE)
_LEAP = re.compile(r"^Leap status\s*:\s*Normal", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ClockState:
    """State of the clock; None where unknown."""

    kernel: bool | None
    """True when the kernel counts its clock as synchronised (adjtimex(2))."""
    chrony: float | None = None
    """The seconds by which chrony sees the clock fast (slow: negative); None without a synchronised chrony."""
    timesyncd: bool = False
    """True when systemd-timesyncd has set the clock since boot."""
    remote: float | None = None
    """Seconds by which the clock is ahead of a server's Date."""
    remote_name: str = ""

    @property
    def is_synchronised(self) -> bool:
        """Return whether any of them synchronises the clock; chrony without rtcsync does not tell the kernel."""
        return bool(self.kernel) or self.chrony is not None or self.timesyncd


class _Timex(ctypes.Structure):
    """The fields of `struct timex` that are used, padded to its full size."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def read_clock_state() -> ClockState:
    """Return the state of the clock as this machine reports it."""
    return ClockState(_kernel(), _chrony(), os.path.exists(_TIMESYNCD))


def _kernel() -> bool | None:
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    timex = _Timex()
    state = adjtimex(ctypes.byref(timex))
    return None if state < 0 else state != _TIME_ERROR and not timex.status & _UNSYNCHRONISED


def _chrony() -> float | None:
    if find_program("chronyc") is None:
        return None
    try:
        ended = run_program("chronyc", "-n", "tracking")
    except Unavailable:
        return None
    return chrony_offset(ended.out) if ended.code == 0 else None


def chrony_offset(tracking: str) -> float | None:
    """Return the offset in the output of `chronyc tracking`, in seconds; None when chrony is not synchronised."""
    found = _SYSTEM_TIME.search(tracking)
    if found is None or not _LEAP.search(tracking):
        return None
    return float(found[1]) * (1 if found[2] == "fast" else -1)


def ahead_of(url: str, clock: Clock, timeout: float = 5.0) -> float:
    """Return by how many seconds this clock is ahead of the `Date` of an HTTP answer. Raises Unavailable.

    The Date is cut to the second, so the error is half a second plus the round trip. `timeout`: seconds for
    the whole answer. A redirect is not followed: its Date counts.
    """
    from http.client import HTTPException

    before = clock.now()
    try:
        date = within(timeout, lambda: _date_header(url, timeout), url)
    except OSError as error:
        raise Unavailable(f"{url} does not answer: {reason(error)}", hint="run it again") from error
    except (HTTPException, ValueError) as error:
        raise Unavailable(f"{url} does not answer as a web server", hint="is there a proxy between?") from error
    after = clock.now()
    theirs = _http_date(date or "")
    if theirs is None:
        raise Unavailable(f"{url} sent no Date", hint="is there a proxy between?")
    middle = datetime.fromtimestamp((before.timestamp() + after.timestamp()) / 2, UTC)
    return (middle - theirs).total_seconds() - 0.5


def _date_header(url: str, timeout: float) -> str | None:
    """Return the Date field of the answer to a GET; its content is not read."""
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """Treat a redirect as the answer."""

    try:
        with build_opener(NoRedirect).open(url, timeout=timeout) as answer:
            found: str | None = answer.headers.get("Date")
    except HTTPError as error:
        with error:
            found = error.headers.get("Date")
    return found


def _http_date(text: str) -> datetime | None:
    """Return the time in a Date field, always UTC (RFC 9110 §5.6.7); None for an invalid one."""
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def started(pid: int) -> float | None:
    """Return the start time of a process in seconds since the epoch, to a hundredth; None when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # the kernel's own `btime` is cut to whole seconds: a daemon would seem older than its own configuration file
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
