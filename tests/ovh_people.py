"""What the tests of consumer keys share: a person with a browser, and a sandbox whose keys a person validates."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.login import Pending, Wish
from dkimctl.sandbox import Sandbox
from dkimctl.sandbox.calls import LoggedCall
from tests.clocks import ManualClock
from tests.sandbox_clients import raw

ZONE = "domain.tld"


@dataclass
class Person(ManualClock):
    """A clock on which somebody acts: before the `after`-th sleep ends in which they know the page, `act` is called."""

    current: datetime = field(default_factory=lambda: datetime.now(UTC))
    act: Callable[[str], object] = lambda url: None
    after: int = 1
    pending: Pending | None = None
    slept_before: int = 0

    def look(self, pending: Pending) -> None:
        """What the person is shown."""
        self.pending, self.slept_before = pending, len(self.slept)

    def sleep(self, seconds: float) -> None:
        """Move on; then perhaps act."""
        super().sleep(seconds)
        if self.pending and len(self.slept) - self.slept_before == self.after:
            self.act(self.pending.url)


def open_page(running: Sandbox, url: str) -> None:
    """What a browser does with the address; opening it is consent in the sandbox."""
    status, _, _ = raw(running, "GET", url.removeprefix(running.api_url.removesuffix("/1.0")))
    assert status == 200


def willing(running: Sandbox) -> Person:
    """Somebody who validates what is asked for, after two looks."""
    return Person(act=lambda url: open_page(running, url), after=2)


def newest_key(running: Sandbox) -> str:
    """The consumer key that was asked for last."""
    return list(running.credentials._credentials)[-1]


def application(running: Sandbox, **other: str) -> Credentials:
    """The sandbox's application key and secret, or others."""
    own = {"application_key": running.credentials.application_key}
    own["application_secret"] = running.credentials.application_secret
    return Credentials(running.api_url, **{**own, **other})


def wish(
    running: Sandbox,
    target: Path,
    *zones: str,
    replace: bool = False,
    timeout: float = 60,
    asker: Credentials | None = None,
) -> Wish:
    """What `dkimctl ovh login` asks for."""
    return Wish(asker or application(running), zones or (ZONE,), target, replace, timeout)


def quick_sandbox(*zones: str) -> Sandbox:
    """A sandbox that validates each consumer key as soon as it was asked for."""

    def validate(call: LoggedCall) -> None:
        if call.path == "/auth/credential" and call.status == 200:
            running.credentials.validate(newest_key(running))

    running = Sandbox(zones or (ZONE,), on_call=validate)
    return running
