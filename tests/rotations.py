"""A whole rotation on the real program, each of its runs again and again: with one call that fails, or is the last.

A `Rotation` is a machine with opendkim, Postfix and a sandbox; the clock of dkimctl alone is moved, by libfaketime.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from dkimctl.sandbox import LoggedCall, Sandbox
from tests.conftest import Run
from tests.real.machine import START
from tests.real.relay import Relay, running_relay
from tests.write_faults import CALLS, KILL, Fault

DOMAIN = "domain.tld"
KEYS = f"etc/opendkim/keys/{DOMAIN}"
HOUR, DAY = 1, 24
LATER = 2 * HOUR
"""When the next run comes: what is tried again, is after an hour."""
WRITES = tuple(name for call in ("write", "fsync", "rename") for name in CALLS[call])
TRACED = (*WRITES, *CALLS["unlink"], *CALLS["mkdir"])
SAVED = ("etc/opendkim", "etc/opendkim.conf", "etc/postfix/main.cf", "state", "backups")
ANSWERED = "an answered API call"


@dataclass(frozen=True)
class Step:
    """One run of a rotation, so many hours after its beginning; `words`: what it must say that it did."""

    name: str
    hours: float
    words: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    is_tried: bool = True
    """False for a run in between: timers run it every day, and long gaps make dkimctl careful."""


STEPS = (
    Step("the next key is made, published and seen", 0, ("make", "publish", "look")),
    Step("it is seen again", HOUR, ("look",)),
    Step("begun by hand: the switch", 3 * HOUR, ("switch", "make", "publish"), (DOMAIN, "--now")),
    Step("the signature is proven again", 5 * HOUR),
    *(Step("in between", days * DAY, is_tried=False) for days in (2, 9)),
    Step("the old record is emptied", 17 * DAY, ("revoke",)),
    *(Step("in between", days * DAY, is_tried=False) for days in (28, 39)),
    Step("the empty record is removed", 50 * DAY, ("remove",)),
    *(Step("in between", days * DAY, is_tried=False) for days in (61, 72, 83)),
    Step("the old private key is removed", 96 * DAY, ("purge",)),
)


@dataclass
class State:
    """What a rotation is about, comparable between machines: keys and times differ, what became of them must not."""

    keys: tuple[tuple[str, bool], ...]
    """Phase, and whether the private key is there, from the oldest on: the month may change while a test runs."""
    records: dict[str, str]
    """Which key's name in the zone → which key is there, `p=` for none, `?` for one that nobody has."""
    table: tuple[str, ...]
    is_served: bool
    """True when DNS serves what the account has."""
    is_begun: bool
    """True while a person's wish for a rotation is not fulfilled."""


@dataclass
class Rotation:
    """The machine; each call of `run` is dkimctl so many hours from now."""

    relay: Relay
    sandbox: Sandbox
    saved: Path
    _zone: tuple[dict[int, object], dict[int, object]] = field(default_factory=lambda: ({}, {}))
    _kill_after: int = 0
    _calls: int = 0

    # --- dkimctl

    def run(self, hours: float, *arguments: str, strace: tuple[str, ...] = ()) -> Run:
        """Run `rotate` under that clock, below strace where options for that are given."""
        environment = self._faked(hours) | {"PYTHONDONTWRITEBYTECODE": "1"}
        machine = self.relay.machine
        command = (sys.executable, "-c", START, machine.programs, "rotate", *arguments)
        if strace:
            shown = [word for name, value in environment.items() for word in ("-E", f"{name}={value}")]
            command, environment = ("strace", "-qq", "-s", "0", *strace, *shown, *command), {}
        for left in (machine.directory / "dev/shm").iterdir():
            left.unlink()  # the libfaketime of a run that was killed, over which the next would stumble
        os.utime(machine.directory / "etc/postfix/main.cf", (0, 0))  # postconf waits until it is two seconds old
        ended = machine.run(*command, check=False, env=environment)
        return Run(ended.returncode, ended.stdout, ended.stderr)

    @staticmethod
    def _faked(hours: float) -> dict[str, str]:
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
        kept = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        return {"LD_PRELOAD": str(library), "FAKETIME": f"{hours * 3600:+.0f}s", **kept} if hours else {}

    def count(self, step: Step) -> Counter[str]:
        """How many calls of each name the step makes, as strace numbers them, and how many answers the API sends."""
        self.restore()
        self._calls = 0
        options = ("-o", "/run/calls", "-e", f"trace={','.join(TRACED)}")
        ran = self.run(step.hours, *step.arguments, strace=options)
        assert ran.code == 0, ran.err
        names = re.findall(r"^(\w+)\(", self.relay.machine.read("/run/calls"), re.MULTILINE)
        return Counter(names) + Counter({ANSWERED: self._calls})

    def inject(self, step: Step, fault: Fault) -> tuple[Run, bool]:
        """How the step ends with this fault, and whether it happened."""
        self.restore()
        if fault.call == ANSWERED:
            self._calls, self._kill_after = 0, fault.number
            try:
                ran = self.run(step.hours, *step.arguments)
            finally:
                is_reached, self._kill_after = self._calls >= fault.number, 0
            return ran, is_reached
        options = ("-o", "/run/calls", "-e", f"trace={fault.call}", "-e", fault.option)
        ran = self.run(step.hours, *step.arguments, strace=options)
        return ran, ran.code in (-9, 137) or "(INJECTED)" in self.relay.machine.read("/run/calls")

    def on_call(self, call: LoggedCall) -> None:
        """End dkimctl when the API has done what was asked, and before its answer is sent."""
        self._calls += 1
        if self._calls == self._kill_after:
            for place in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    is_ours = self.sandbox.api_url.encode() in (place / "environ").read_bytes()
                    if is_ours and b"dkimctl.entry" in (place / "cmdline").read_bytes():
                        os.kill(int(place.name), signal.SIGKILL)

    # --- what is saved, and put back

    def save(self) -> None:
        """Remember everything as it is now."""
        shutil.rmtree(self.saved, ignore_errors=True)
        for name in SAVED:
            if (source := self.relay.machine.directory / name).exists():
                (self.saved / name).parent.mkdir(parents=True, exist_ok=True)
                subprocess.run(["cp", "-a", source, self.saved / name], check=True)
        zone = self.sandbox.zone(DOMAIN)
        with zone.lock:
            self._zone = dict(zone._edited), dict(zone._served)

    def restore(self) -> None:
        """Put everything back as it was saved; the daemon reads its tables again where they changed."""
        machine = self.relay.machine
        machine.run("rm", "-rf", "/run/dkimctl")  # what a killed run has left there is removed by the next, and counts
        tables = [self._table()]
        for name in SAVED:
            source = self.saved / name
            target = machine.directory / name
            if source.is_dir():  # directories that are mounted stay
                subprocess.run(["find", target, "-mindepth", "1", "-delete"], check=True)
                subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
            elif source.exists():
                subprocess.run(["cp", "-a", source, target], check=True)
        tables.append(self._table())
        zone = self.sandbox.zone(DOMAIN)
        with zone.lock:
            zone._edited, zone._served = dict(self._zone[0]), dict(self._zone[1])  # type: ignore[arg-type]
            zone._deployments.clear()
            zone._bump()
        if tables[0] != tables[1]:
            self.relay.start_signing()

    def _table(self) -> tuple[str, ...]:
        return tuple((self.relay.machine.directory / "etc/opendkim/KeyTable").read_text().splitlines())

    # --- what is looked at

    @property
    def keys(self) -> Path:
        """The domain's key directory."""
        return self.relay.machine.directory / KEYS

    def private_keys(self) -> dict[str, bytes]:
        """Name → content of every private key."""
        return {path.stem: path.read_bytes() for path in self.keys.glob("*.private")}

    def records(self) -> dict[str, str]:
        """Name → text of every key record that DNS serves."""
        return {
            one.sub_domain: one.target for one in self.sandbox.zone(DOMAIN).served if "_domainkey" in one.sub_domain
        }

    def state(self) -> State:
        """What there is now."""
        paths = sorted(self.keys.glob("[!.]*.json"))  # dk202611, dk202611b, dk202612: from the oldest on
        zone, table, private = self.sandbox.zone(DOMAIN), "\n".join(self._table()), self.private_keys()
        all_notes = {path.stem: json.loads(path.read_bytes()) for path in paths}
        # what was killed before it had a private key never became one
        notes = {stem: one for stem, one in all_notes.items() if stem in private or one["phase"] != "generated"}
        numbered = {stem: f"key {number}" for number, stem in enumerate(notes)}

        def whose(text: str) -> str:
            value = re.sub(r'[" ]', "", text).rpartition("p=")[2]
            found = (numbered[stem] for stem, known in notes.items() if known["public"] == value)
            return next(found, "?" if value else "p=")

        def phase(stem: str) -> str:
            """Some session may or may not be open still that began before the switch: that is up to the machine."""
            said = str(notes[stem]["phase"])
            return "retiring" if said == "active" and f"/{stem}.private" not in table else said

        records = {
            re.sub(r"^[^.]+", lambda label: numbered.get(label[0], label[0]), one.sub_domain): whose(one.target)
            for one in zone.edited
            if "_domainkey" in one.sub_domain
        }
        keys = tuple((phase(stem), stem in private) for stem in notes)
        rows = tuple(re.sub(r"dk\d+[a-z]*", lambda stem: numbered.get(stem[0], stem[0]), row) for row in self._table())
        return State(keys, records, rows, zone.deployed, self._noted().get("begun") is not None)

    def has_begun(self) -> bool:
        """True when the wish of `--now` was noted, or fulfilled."""
        return "begun" in self._noted()

    def _noted(self) -> dict[str, object]:
        place = self.keys / ".lifecycle.json"
        return dict(json.loads(place.read_bytes())) if place.exists() else {}

    def leftovers(self) -> list[str]:
        """Every temporary name below what dkimctl writes to."""
        top = self.relay.machine.directory
        return [str(path) for name in ("etc", "state", "backups") for path in (top / name).rglob(".dkimctl-*")]


@contextmanager
def rotation(port: int) -> Iterator[Rotation]:
    """A machine on which the domain signs, and nothing of a rotation has begun."""
    calls: list[Callable[[LoggedCall], None]] = [lambda _: None]
    with (
        TemporaryDirectory(prefix="dk") as place,
        TemporaryDirectory(prefix="dk") as aside,
        running_relay(Path(place), port) as relay,
        Sandbox(zones=[DOMAIN], on_call=lambda call: calls[0](call)) as sandbox,
    ):
        machine = relay.machine
        machine.environment.update(sandbox.environment(), TMPDIR="/run")
        machine.run("mkdir", "-p", "-m", "755", "/etc/dkimctl")
        socket = (
            f"local:/var/spool/postfix/opendkim/{port}.sock"  # sessions of other machines are seen at the usual one
        )
        machine.write("/etc/dkimctl/dkimctl.toml", f'[signing]\nsocket = "{socket}"\n')
        machine.run("mkdir", "-p", "-m", "1777", "/dev/shm")  # libfaketime shares its start between processes
        setup = ("setup", DOMAIN, "--provider", "ovh", "--timeout", "20")
        machine.dkimctl(*setup, check=False)
        relay.start_signing()
        machine.dkimctl(*setup)
        made = Rotation(relay, sandbox, Path(aside) / "saved")
        calls[0] = made.on_call
        yield made


def faults(counts: Counter[str]) -> Iterator[Fault]:
    """SIGKILL at every call and after every answer; no space and an I/O error at each that writes."""
    for call, count in sorted(counts.items()):
        for number in range(1, count + 1):
            yield Fault(call, number, KILL)
            if call in WRITES:
                yield Fault(call, number, "ENOSPC")
                yield Fault(call, number, "EIO")
