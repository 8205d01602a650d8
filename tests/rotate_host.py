"""A tree below --root with keys at any point of their life, whose records an account has: for tests of `rotate`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside, Run
from tests.publishing import ZONE

OTHER = "other.tld"
NOW = datetime.now(UTC).replace(microsecond=0)


def ago(**span: float) -> str:
    """That long before now, as in metadata."""
    return (NOW - timedelta(**span)).isoformat().replace("+00:00", "Z")


SERVED = {
    "written": ago(days=30),
    "seen": ago(days=30),
    "confirmed": ago(days=29),
    "last_seen": ago(hours=1),
    "ttl": 60,
}
SIGNS = {"since": ago(days=20), "proven": ago(hours=1)}
LEFT = {"since": ago(days=200), "proven": ago(days=20), "left": ago(days=20)}


class Host:
    """A tree with keys that have come to any point of their life, and an account that has their records."""

    def __init__(self, dkimctl: DkimctlInside, running: Sandbox) -> None:
        self.dkimctl, self.running = dkimctl, running
        self.config = dkimctl.root / "etc/dkimctl/dkimctl.toml"
        self.config.parent.mkdir(parents=True)
        self.config.write_text('provider = "ovh"\n')

    def __call__(self, *words: str) -> Run:
        return self.dkimctl(*words, env=self.running.environment())

    def rotate(self, *words: str) -> Run:
        """A run for timers, as JSON."""
        return self("rotate", *words, "--json")

    def directory(self, domain: str = ZONE) -> Path:
        """The domain's key directory."""
        return self.dkimctl.root / f"etc/opendkim/keys/{domain}"

    def notes(self, selector: str, domain: str = ZONE) -> dict[str, Any]:
        """A key's metadata."""
        return dict(json.loads((self.directory(domain) / f"{selector}.json").read_text()))

    def note(self, selector: str, domain: str = ZONE, **changes: object) -> None:
        """Change a key's metadata."""
        path = self.directory(domain) / f"{selector}.json"
        path.write_text(json.dumps({**self.notes(selector, domain), **changes}))

    def key(self, selector: str, domain: str = ZONE, *, published: bool = True, **changes: object) -> None:
        """Make a key, publish it, and note this of it."""
        assert self("genkey", domain, "-s", selector, "--algorithm", "ed25519", "-q").code == 0
        if published:
            assert self("publish", domain, "-s", selector, "--no-wait").code == 0
        self.note(selector, domain, **changes)

    def active(self, selector: str, domain: str = ZONE) -> None:
        """Make a key that signs."""
        self.key(selector, domain, phase="active", created=ago(days=30), facts={"record": SERVED, "signing": SIGNS})
        table = self.dkimctl.root / "etc/opendkim/KeyTable"
        line = f"{selector}._domainkey.{domain} {domain}:{selector}:/etc/opendkim/keys/{domain}/{selector}.private\n"
        table.write_text((table.read_text() if table.exists() else "") + line)

    def standby(self, selector: str, domain: str = ZONE) -> None:
        """Make a key that is proven and waits."""
        self.key(selector, domain, phase="verified", facts={"record": SERVED})

    def retiring(self, selector: str, domain: str = ZONE) -> None:
        """Make a key whose mail is through: its record is to be emptied now."""
        self.key(selector, domain, phase="retiring", created=ago(days=300), facts={"record": SERVED, "signing": LEFT})

    def records(self, domain: str = ZONE) -> dict[str, str]:
        """Selector → text of the key records in the account."""
        found = {one.sub_domain: one.target for one in self.running.zone(domain).edited if one.field_type == "DKIM"}
        return {name.partition(".")[0]: text for name, text in found.items()}

    def state(self, **changes: str) -> None:
        """What the last run noted of itself."""
        path = self.dkimctl.root / "var/lib/dkimctl/rotate.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"schema": 1, **changes}))


def steps(run: Run, *outcomes: str) -> list[dict[str, Any]]:
    """The steps with these outcomes."""
    return [step for step in run.json["rotation"]["steps"] if step["outcome"] in outcomes]


def said(run: Run) -> list[tuple[str, str]]:
    """Domain and action of each thing that was done."""
    return [(step["domain"], step["action"]) for step in steps(run, "done")]


def is_emptied(text: str) -> bool:
    """True for a record with an empty `p=`."""
    return text.replace('"', "").rstrip("; ").endswith("p=")
