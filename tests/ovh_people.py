"""Helpers of the tests of consumer keys: a person with a browser, and a sandbox whose keys a person validates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.login import LoginRequest, Pending
from dkimctl.sandbox import Sandbox
from dkimctl.sandbox.calls import LoggedCall
from tests.clocks import ManualClock
from tests.sandbox_clients import raw

ZONE = "domain.tld"


@dataclass
class Person(ManualClock):
    """A clock that calls `act` before the `after`-th sleep ends, counted from when the page was shown."""

    current: datetime = field(default_factory=lambda: datetime.now(UTC))
    act: Callable[[str], object] = lambda url: None
    after: int = 1
    pending: Pending | None = None
    slept_before: int = 0

    def look(self, pending: Pending) -> None:
        """Show the page to the person."""
        self.pending, self.slept_before = pending, len(self.slept)

    def sleep(self, seconds: float) -> None:
        """Advance the clock; then perhaps act."""
        super().sleep(seconds)
        if self.pending and len(self.slept) - self.slept_before == self.after:
            self.act(self.pending.url)


def open_page(running: Sandbox, url: str) -> None:
    """Open the URL as a browser does; in the sandbox that validates the key."""
    status, _, _ = raw(running, "GET", url.removeprefix(running.api_url.removesuffix("/1.0")))
    assert status == 200


def willing(running: Sandbox) -> Person:
    """Return a person who validates the key after two checks."""
    return Person(act=lambda url: open_page(running, url), after=2)


def newest_key(running: Sandbox) -> str:
    """Return the consumer key that was requested last."""
    return list(running.credentials._credentials)[-1]


def application(running: Sandbox, **other: str) -> Credentials:
    """Return the sandbox's application key and secret, or others."""
    own = {"application_key": running.credentials.application_key}
    own["application_secret"] = running.credentials.application_secret
    return Credentials(running.api_url, **{**own, **other})


def login_request(
    running: Sandbox,
    target: Path,
    *zones: str,
    replace: bool = False,
    timeout: float = 60,
    asker: Credentials | None = None,
) -> LoginRequest:
    """Return the request of `dkimctl ovh login`."""
    return LoginRequest(asker or application(running), zones or (ZONE,), target, replace, timeout)


def quick_sandbox(*zones: str) -> Sandbox:
    """Return a sandbox that validates each consumer key as soon as it is requested."""

    def validate(call: LoggedCall) -> None:
        if call.path == "/auth/credential" and call.status == 200:
            running.credentials.validate(newest_key(running))

    running = Sandbox(zones or (ZONE,), on_call=validate)
    return running
