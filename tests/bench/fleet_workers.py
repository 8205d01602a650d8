"""What a second worker brings:  python tests/bench/fleet_workers.py [--rotations N]

Domains of a fleet are due for a new key, which workers (`dkimctl rotate`, a process each) make and publish at the
sandbox: one worker alone, two with a credential each, and two that share one. Every credential has the rate limit that
dkimctl keeps for OVH, and that is what bounds the work; what the processor bounds is printed beside it. The key pairs
are Ed25519: making RSA keys is measured elsewhere. PostgreSQL runs from Debian's package, as an ordinary user, without
waiting for the disk.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from measure import Claim, report

sys.path.insert(0, str(Path(__file__).parents[2]))
from dkimctl.config.load import load_settings
from dkimctl.fleet.access import control
from dkimctl.fleet.database import connect
from dkimctl.fleet.store import PostgresStore
from dkimctl.keys.metadata import Phase
from dkimctl.providers.base import DEFAULT_RATE
from dkimctl.sandbox import Sandbox
from tests.postgres_server import Server, running

_A_RELAY = """
INSERT INTO dkimctl.relay (name, login, recipient, fingerprint, state, heartbeat)
VALUES ('mx1', 'mx1', 'mx1', '', 'approved', now());
INSERT INTO dkimctl.key_on_relay (relay, key, held, used, since, proven)
SELECT 'mx1', id, true, true, now() - interval '400 days', now() FROM dkimctl.key"""
"""A relay that signs with everything."""
LONG_AGO = datetime.now(UTC) - timedelta(days=400)


class Worked(NamedTuple):
    """What the workers did."""

    seconds: float
    """From the first call to the last."""
    calls: int
    busiest: float
    """Calls a second in the ten seconds with the most."""
    cpu: float
    """Processor seconds of the workers."""

    @property
    def rate(self) -> float:
        """Calls a second."""
        return (self.calls - 1) / self.seconds


class ControlHost:
    """A control host whose domains sign with a key that is due for its successor."""

    def __init__(self, root: Path, url: str, environment: dict[str, str], rotations: int) -> None:
        self._environment = {**os.environ, **environment, "DKIMCTL_ROOT": str(root)}
        self._url = url
        (configuration := root / "etc/dkimctl/dkimctl.toml").parent.mkdir(parents=True)
        owner = f"{os.geteuid()}:{os.getegid()}"
        configuration.write_text(
            f'provider = "ovh"\n[keys]\nalgorithm = "ed25519"\nowner = "{owner}"\n'
            f'[lifecycle]\nmost_new_keys = {rotations}\n[fleet]\ndatabase = "{url}"\n'
        )
        self._run("fleet", "init")
        self._settings = load_settings(root=str(root))

    def _run(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "dkimctl", *arguments, "-q"]
        subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def add(self, domains: list[str]) -> None:
        """Domains whose first key DNS serves; it has signed for longer than it may."""
        self._run("genkey", *domains, "-s", "mail")
        self._run("publish", "--rate", "0", "--timeout", "60")
        with control(self._settings) as (database, vault):
            store = PostgresStore(database, vault)
            for domain in domains:
                [key] = store.keys(domain)
                store.advance(key, Phase.ACTIVE, LONG_AGO)
                store.note_domain(domain, begun=LONG_AGO.isoformat(timespec="seconds"))
            database.run(_A_RELAY)
            database.run("UPDATE dkimctl.domain SET due = now() - interval '1 h'")

    def work(self, consumers: list[str]) -> None:
        """A worker for each of these consumer keys; all of them to their end."""
        command = [sys.executable, "-m", "dkimctl", "rotate", "-q"]
        workers = [
            subprocess.Popen(command, env={**self._environment, "OVH_CONSUMER_KEY": key}, stdout=subprocess.DEVNULL)
            for key in consumers
        ]
        for worker in workers:
            worker.wait()

    def published(self) -> int:
        """How many domains have their next key at the account."""
        with connect(self._url) as database:
            return int(
                database.value("SELECT count(*) FROM dkimctl.key WHERE selector <> 'mail' AND phase <> 'generated'")
            )


def busiest(times: list[float], window: float = 10.0) -> float:
    """Calls a second in the window of time that has the most of them."""
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most / window


def children() -> float:
    """Processor seconds of all processes that have ended."""
    taken = resource.getrusage(resource.RUSAGE_CHILDREN)
    return taken.ru_utime + taken.ru_stime


def measured(server: Server, place: Path, rotations: int, workers: int, credentials: int) -> Worked:
    """So many rotations by so many workers, which have so many credentials."""
    domains = [f"d{number}.example" for number in range(rotations)]
    times: list[float] = []
    (root := place / f"{workers}-{credentials}").mkdir()
    with Sandbox(domains, on_call=lambda _: times.append(time.perf_counter())) as sandbox:
        host = ControlHost(root, server.url(server.new_database()), sandbox.environment(), rotations)
        host.add(domains)
        keys = [sandbox.credentials.issue() for _ in range(credentials)]
        times.clear()
        before = children()
        host.work([keys[number % credentials] for number in range(workers)])
        assert host.published() == rotations, host.published()
        times.sort()
        return Worked(times[-1] - times[0], len(times), busiest(times), children() - before)


def main() -> int:
    """Measure, and report each claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rotations", type=int, default=400, help="a worker claims 200 at a time")
    asked = parser.parse_args()
    found: dict[str, Worked] = {}
    with running() as server, tempfile.TemporaryDirectory() as scratch:
        for name, workers, credentials in (("one", 1, 1), ("two", 2, 2), ("shared", 2, 1)):
            found[name] = made = measured(server, Path(scratch), asked.rotations, workers, credentials)
            print(
                f"{asked.rotations:,} rotations, workers: {workers}, credentials: {credentials}: {made.seconds:.1f} s, "
                f"{made.calls:,} calls, {made.rate:.1f} a second, {made.busiest:.1f} in the busiest ten seconds; "
                f"workers: {made.cpu:.1f} s of processor time",
                flush=True,
            )
    return report(
        f"workers of a fleet, {asked.rotations:,} rotations at the sandbox",
        [
            Claim(
                "the rotations a second of two workers with two credentials, over those of one",
                1.7,
                found["one"].seconds / found["two"].seconds,
                at_least=True,
            ),
            Claim("calls a second of two workers with one credential", DEFAULT_RATE, found["shared"].rate, "/s"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
