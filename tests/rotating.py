"""Domains that sign, and `dkimctl rotate` run on them for months: all is real but the clock and the daemon.

The tree below --root has real keys and tables; the provider and DNS are the sandbox's. The daemon is played: it signs
with what the tables name. A test says which keys it cannot sign with, and which connections stay open.
"""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from dkimctl.cli.app import App
from dkimctl.errors import CheckFailed
from dkimctl.install.attempt import Attempt, attempt
from dkimctl.install.proof import Failure
from dkimctl.lifecycle import run, switching
from dkimctl.sandbox import Sandbox, Switches
from dkimctl.signers.rendered import SigningKey
from tests.clocks import ManualClock
from tests.conftest import DkimctlInside, Run
from tests.publishing import ZONE, manual_clock

DAY = 24.0
"""Hours."""


@dataclass
class Rotating:
    """A machine that signs for some domains."""

    dkimctl: DkimctlInside
    sandbox: Sandbox
    clock: ManualClock
    unsigned: set[str] = field(default_factory=set)
    """Selectors for which the daemon signs nothing, or signs wrongly."""
    switched: list[list[str]] = field(default_factory=list)
    """The domains of each switch, in order."""

    def __call__(self, *arguments: str, code: int | None = 0, **environment: str) -> Run:
        run = self.dkimctl(*arguments, env={**self.sandbox.environment(), **environment})
        assert code is None or run.code == code, run.out + run.err
        return run

    def configure(self, text: str) -> None:
        """The configuration, below the line that names the provider."""
        path = self.dkimctl.root / "etc/dkimctl/dkimctl.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'provider = "ovh"\n{text}')

    def later(self, hours: float) -> None:
        """So many hours pass."""
        self.clock.current += timedelta(hours=hours)

    def rotate(self, *arguments: str, hours: float = 0, code: int | None = None, **environment: str) -> Any:
        """Run `rotate` after so many hours; its document."""
        self.later(hours)
        return self("rotate", *arguments, "--json", code=code, **environment).json["rotation"]

    def prepare(self, **environment: str) -> None:
        """The next key is made, published, seen twice, and its margin passes."""
        for hours in (0, 0.1, 2):
            self.rotate(hours=hours, **environment)

    def for_days(self, days: int, code: int | None = None, **environment: str) -> list[Any]:
        """Run `rotate` every fifth day, as often as it must for removals, and at the end; the steps of all runs."""
        found: list[Any] = []
        for left in range(days, 0, -5):
            hours = min(left, 5) * DAY
            found += self.rotate(hours=hours, code=code if left <= 5 else None, **environment)["steps"]
        return found

    def complete(self, *domains: str) -> None:
        """The next key is made ready, and signs."""
        self.prepare()
        self.rotate("--now", *(domains or (ZONE,)), code=0)

    def signs(self, domain: str = ZONE) -> list[str]:
        """The selectors that the tables name for a domain."""
        table = (self.dkimctl.root / "etc/opendkim/KeyTable").read_text()
        lines = [line.split()[1].split(":") for line in table.splitlines() if line and not line.startswith("#")]
        return [selector for name, selector, _ in lines if name == domain]

    def notes(self, selector: str, domain: str = ZONE) -> Any:
        """The metadata of a key."""
        return json.loads((self.dkimctl.root / f"etc/opendkim/keys/{domain}/{selector}.json").read_text())

    def selectors(self, domain: str = ZONE) -> list[str]:
        """The selectors of the domain's keys on the disk."""
        return sorted(path.stem for path in (self.dkimctl.root / f"etc/opendkim/keys/{domain}").glob("*.private"))

    def new(self, domain: str = ZONE) -> str:
        """The selector of the one key that waits."""
        [selector] = [one for one in self.selectors(domain) if one not in self.signs(domain)]
        return selector

    def records(self, zone: str = ZONE) -> dict[str, str]:
        """Selector → text of each key record in the account."""
        found = [one for one in self.sandbox.zone(zone).edited if one.sub_domain.endswith("._domainkey")]
        return {one.sub_domain.removesuffix("._domainkey"): one.target for one in found}


@contextmanager
def rotating(
    dkimctl: DkimctlInside, monkeypatch: pytest.MonkeyPatch, *domains: str, settings: str = "", **switches: Any
) -> Iterator[Rotating]:
    """Domains that sign with their first key, `mail`; no run has looked at them yet."""
    names = domains or (ZONE,)
    with Sandbox(names, Switches(**switches)) as running:
        made = Rotating(dkimctl, running, manual_clock())
        _play_the_daemon(made, monkeypatch)
        made.configure(settings)
        for name in names:
            made("genkey", name, "-s", "mail", "--algorithm", "ed25519", "-q")
        made("publish", "--timeout", "60")
        made("render-config", "--install")
        made.later(1)
        yield made


def _play_the_daemon(made: Rotating, monkeypatch: pytest.MonkeyPatch) -> None:
    def failures(keys: Collection[SigningKey]) -> tuple[Failure, ...]:
        wrong = CheckFailed("the probe was not signed", hint="see its log")
        return tuple(Failure(key, key.domain, wrong) for key in keys if key.selector in made.unsigned)

    def attempted(rendering: Any, settings: Any, keys: Collection[SigningKey], *rest: Any, **more: Any) -> Attempt:
        result = attempt(rendering, settings, keys, *rest, **more)
        made.switched.append([key.domain for key in keys])
        failed = failures(keys)
        good = tuple(key for key in keys if key.selector not in made.unsigned)
        return replace(result, failures=failed, proven=() if failed else good)

    def proven(keys: Collection[SigningKey], *_: Any) -> tuple[Failure, ...]:
        return failures(keys)

    played: dict[tuple[Any, str], Callable[..., Any]] = {
        (run, "has_daemon"): lambda _: True,
        (switching, "attempt"): attempted,
        (switching, "prove"): proven,
        (switching, "reload_again"): lambda _: None,
    }
    for (module, name), double in played.items():
        monkeypatch.setattr(module, name, double)
    monkeypatch.setattr(App, "clock", made.clock)
