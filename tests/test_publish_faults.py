"""Every fault at every call of a publication, and a kill at every call and at every write of a file.

`DKIMCTL_TEST_FULL=1` runs the full matrix: every kind of fault, once and for ever, from every state. Without it each
kind occurs once at each call, from two states.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dkimctl.config.settings import Settings
from dkimctl.keys.ahead import generator
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm
from dkimctl.lifecycle.generation import KeyRequest, KeyStyle, generate_keys
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.provider import OvhProvider
from dkimctl.publish.publish import Choices, publish
from dkimctl.record.published_keys import record_of
from dkimctl.sandbox import Fault, LoggedCall, Sandbox
from tests.conftest import Dkimctl
from tests.gate import Gate
from tests.publishing import ZONE, is_clean, manual_clock, records_at, sandbox

FULL = bool(os.environ.get("DKIMCTL_TEST_FULL"))
TTL = 300
KINDS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "reset-before"},
    "reset-before": {},
    "reset-after": {},
    "timeout": {},
    "408-html": {},
    "429": {},
    "429 with Retry-After": {"kind": "429", "retry_after": 3},
    "409": {},
    "460": {},
    "500-json": {},
    "502-html": {},
    "null": {},
    "empty-200": {},
    "truncated-json": {},
    "slow-body": {"seconds": 0.3},
    "null-error": {},
    "html-200": {},
}
STATES = {
    "nothing": None,
    "old TXT": lambda text: ("TXT", text[:255], 0),
    "the TXT in full": lambda text: ("TXT", text, 0),
    "wrong ttl": lambda text: ("DKIM", text, 3600),
    "another form": lambda text: ("DKIM", text.replace("v=DKIM1; ", "") + ";", TTL),
}


@dataclass
class Bench:
    """A machine and a sandbox reached through a gate; each case starts from a fresh zone."""

    running: Sandbox
    gate: Gate
    store: KeyDirectory
    text: str
    refuse_from: int = 0
    seen: int = 0

    def begin(self, state: str) -> None:
        """Set up the zone as it is before the run."""
        self.clear_faults()
        zone = self.running.zone(ZONE)
        for record in [record for record in zone.edited if record.sub_domain.endswith("._domainkey")]:
            zone.remove(record.id)
        zone.refresh()
        make = STATES[state]
        if make:
            field_type, target, ttl = make(self.text)
            zone.add(field_type, "mail._domainkey", target, ttl)
        self.running.clear_calls()
        self.seen = 0

    def clear_faults(self) -> None:
        """End all faults of the API."""
        self.running.faults.clear()
        self.refuse_from = 0
        self.gate.open()

    def add_keys(self, *selectors: str) -> None:
        """Generate more keys of the domain."""
        style = KeyStyle(generator(Algorithm.ED25519, 256), Tags())
        requests = [KeyRequest(ZONE, selector) for selector in selectors]
        list(generate_keys(requests, style, self.store, now=manual_clock().now()))

    def records(self) -> list[list[tuple[str, str]]]:
        """Return type and target of the records at the name of each key."""
        return [records_at(self.running, f"{key.selector}._domainkey") for key in self.store.keys(ZONE)]

    def publish(self) -> bool:
        """Run publish once. Return True when it reports success; every error must have exit code 3."""
        parts = urlsplit(self.running.api_url)
        variables = self.running.environment()
        credentials = Credentials(
            f"{parts.scheme}://127.0.0.1:{self.gate.port}{parts.path}",
            application_key=variables["OVH_APPLICATION_KEY"],
            application_secret=variables["OVH_APPLICATION_SECRET"],
            consumer_key=variables["OVH_CONSUMER_KEY"],
        )
        clock = manual_clock()
        provider = OvhProvider(credentials, clock, timeout=(0.3, 0.3))
        keys = self.store.keys(ZONE)
        ended = publish(Settings(), self.store, provider, keys, Choices(wait=False, ttl=TTL), clock=clock)
        errors = [one.error for one in ended if one.error]
        assert [error for error in errors if error.exit_code != 3] == []
        return not errors

    def fail(self, kind: str, call: int, *, for_ever: bool) -> None:
        """Inject a fault at this call, or from this call on."""
        fields = {"kind": kind, **KINDS[kind]}
        for number in range(call, call + (60 if for_ever else 1)):
            self.running.faults.add(Fault(call=number, **fields))
        self.refuse_from = call if kind == "refused" else 0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Make a machine with one key."""
    store = KeyDirectory(tmp_path / "keys")
    style = KeyStyle(generator(Algorithm.RSA, 2048), Tags())
    list(generate_keys([KeyRequest(ZONE, "mail")], style, store, now=manual_clock().now()))
    [key] = store.keys(ZONE)

    def refuse(_: LoggedCall) -> None:
        made.seen += 1
        if made.refuse_from and made.seen >= made.refuse_from:
            made.gate.shut()

    with sandbox(on_call=refuse) as running:
        gate = Gate(urlsplit(running.api_url).port or 0)
        made = Bench(running, gate, store, record_of(store, key).text)
        yield made
        gate.shut()


@pytest.mark.parametrize("state", STATES if FULL else ["nothing", "old TXT"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_at_each_call_ends_right_or_is_corrected_by_the_next_run(
    bench: Bench, kind: str, state: str, record_property: Callable[[str, object], None]
) -> None:
    """At once or after the next run: never two records, never none where one was, never an unrefreshed zone."""
    bench.begin(state)
    assert bench.publish()
    calls = len(bench.running.calls)
    assert 6 <= len({(call.method, call.path) for call in bench.running.calls}) <= 14  # a slow machine repeats some
    cases = [(number, for_ever) for number in range(1, calls + 1) for for_ever in ([False, True] if FULL else [False])]
    for number, for_ever in cases:
        what = f"{kind} at call {number}{' and later' if for_ever else ''}, {state} before"
        bench.begin(state)
        bench.fail(kind, number, for_ever=for_ever)
        is_right = bench.publish()
        assert state == "nothing" or records_at(bench.running), f"none where one was: {what}"
        assert not is_right or is_clean(bench.running), f"success without refresh: {what}"
        bench.clear_faults()
        assert is_right or bench.publish(), f"not corrected: {what}"
        assert [r for r in records_at(bench.running) if r[0] == "DKIM"] == records_at(bench.running), what
        assert len(records_at(bench.running)) == 1, f"two records: {what}"
        assert is_clean(bench.running), f"unrefreshed: {what}"
    record_property("counted: faults in the matrix of publish", len(cases))


@pytest.mark.parametrize("kind", KINDS)
def test_each_fault_at_each_call_for_many_names(
    bench: Bench, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """The same promise where a zone is read as a whole and several records are created; one name had a TXT before."""
    bench.add_keys("s1", "s2", "s3", "s4")
    bench.begin("old TXT")
    assert bench.publish()
    calls = len(bench.running.calls)
    for number in range(1, calls + 1):
        for for_ever in [False, True] if FULL else [False]:
            what = f"{kind} at call {number}{' and later' if for_ever else ''}, many names"
            bench.begin("old TXT")
            bench.fail(kind, number, for_ever=for_ever)
            is_right = bench.publish()
            assert records_at(bench.running), f"none where one was: {what}"
            assert not is_right or is_clean(bench.running), f"success without refresh: {what}"
            bench.clear_faults()
            assert is_right or bench.publish(), f"not corrected: {what}"
            kinds = [[field_type for field_type, _ in records] for records in bench.records()]
            assert kinds == [["DKIM"]] * 5, f"none or two: {what}"
            assert is_clean(bench.running), f"unrefreshed: {what}"
    record_property("counted: faults in the matrix of publish", calls * (2 if FULL else 1))


# --- kills

KILLER = """
import os, signal, sys
from dkimctl.entry import main
left = int(sys.argv.pop(1))
def guarded(real):
    def call(*arguments, **more):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call
for name in ("fchmod", "fsync", "rename", "link", "unlink"):
    setattr(os, name, guarded(getattr(os, name)))
sys.exit(main())
"""
RUN = ("publish", "--provider", "ovh", "--timeout", "60")


def _complete(dkimctl: Dkimctl, running: Sandbox, what: str) -> None:
    run = dkimctl(*RUN, env=running.environment())
    assert run.code == 0, f"{what}: {run.err}"
    [(field_type, _)] = records_at(running)
    assert field_type == "DKIM", what
    assert is_clean(running), what
    assert '"phase": "verified"' in (dkimctl.root / f"etc/opendkim/keys/{ZONE}/mail.json").read_text(), what


def _new_key(dkimctl: Dkimctl, running: Sandbox) -> None:
    directory = dkimctl.root / "etc/opendkim/keys"
    if directory.exists():
        directory.rename(dkimctl.root / f"keys{len(list(dkimctl.root.iterdir()))}")
    dkimctl("genkey", ZONE, "-s", "mail", "--algorithm", "ed25519", env=running.environment())


def test_a_run_killed_at_a_write_of_a_file_is_completed_by_the_next(
    dkimctl: Dkimctl, dkimctl_inside: Dkimctl, record_property: Callable[[str, object], None]
) -> None:
    """SIGKILL before each step of each file that publish writes, until a run completes."""
    for step in range(100):
        with sandbox() as running:
            _new_key(dkimctl_inside, running)
            environment = dkimctl.scratch.environment(running.environment())
            command = [sys.executable, "-c", KILLER, str(step), *RUN]
            ended = subprocess.run(command, env=environment, cwd=dkimctl.scratch.home, capture_output=True)
            if ended.returncode == 0:
                break
            assert ended.returncode == -9, ended.stderr
            _complete(dkimctl_inside, running, f"killed at step {step} of its files")
    assert step >= 4
    record_property("counted: kills of publish", step)


@pytest.mark.parametrize("before", [True, False], ids=["before it is done", "before it is answered"])
def test_a_run_killed_at_an_api_call_is_completed_by_the_next(
    dkimctl: Dkimctl, dkimctl_inside: Dkimctl, before: bool, record_property: Callable[[str, object], None]
) -> None:
    """SIGKILL at each call, before and after the server handled it; the name had a TXT in an older form."""
    for number in range(1, 30):
        with sandbox() as running:
            _new_key(dkimctl_inside, running)
            text = dkimctl_inside("record", ZONE, "--format", "oneline").out.split('"')[1]
            running.zone(ZONE).add("TXT", "mail._domainkey", text.partition("; ")[2])
            running.faults.add(Fault("timeout" if before else "slow-body", call=number, seconds=60))
            environment = dkimctl.scratch.environment(running.environment())
            process = subprocess.Popen(
                [sys.executable, "-m", "dkimctl", *RUN],
                env=environment,
                cwd=dkimctl.scratch.home,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            while running.faults.pending and process.poll() is None:
                time.sleep(0.02)
            if running.faults.pending:
                break
            process.kill()
            process.wait()
            assert records_at(running), f"none where one was: killed at call {number}"
            running.faults.clear()
            _complete(dkimctl_inside, running, f"killed at call {number}")
    assert number > 6
    record_property("counted: kills of publish", number - 1)
