"""Publishing against octodns-ovh and dns-lexicon:  python tests/bench/publish_peers.py [DKIMCTL] [--peers PYTHON]

Each does the same in the same run: 100 new records in one zone, and one in each of 100 zones, at a sandbox that takes
50 ms for each call; zones hold 20 other records. Whole processes, read-back included (the peers read nothing back).

The peers take minutes for that. A slow one does 4 and 12 of the 100 (all with --full), and what 100 would
take is reckoned from the two: the row says so. PYTHON: one with octodns-ovh and dns-lexicon; without it both are
installed from PyPI into an environment of their own.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from venv import EnvBuilder

from measure import Claim, report

from dkimctl.sandbox import Sandbox, Switches

COUNT = 100
FEW = (4, 12)  # from which the cost of COUNT is reckoned
OTHERS = 20
TTL = 3600  # seconds: what octodns takes for granted
LATENCY = 0.05  # seconds
PEERS = ("octodns-ovh", "dns-lexicon")

OCTODNS = """
import os, sys
import ovh.client
ovh.client.ENDPOINTS["sandbox"] = os.environ["OVH_ENDPOINT"]
from octodns.manager import Manager
Manager(sys.argv[1]).sync(dry_run=False, force=True)
"""
LEXICON = """
import os, sys
from lexicon._private.providers import ovh
ovh.ENDPOINTS["sandbox"] = os.environ["OVH_ENDPOINT"]
from lexicon.client import Client
from lexicon.config import ConfigResolver
import lexicon.client
from types import SimpleNamespace
def split(name):
    domain, _, suffix = name.partition(".")
    return SimpleNamespace(domain=domain, suffix=suffix, subdomain="", registered_domain=name, fqdn=name)
lexicon.client.tldextract = SimpleNamespace(TLDExtract=lambda **_: split)  # it would fetch the list of public suffixes
for line in open(sys.argv[1]):
    name, zone, text = line.rstrip("\\n").split(" ", 2)
    given = {"provider_name": "ovh", "action": "create", "domain": zone, "delegated": zone}
    given |= {"type": "TXT", "name": name, "content": text}
    given["ovh"] = {"auth_entrypoint": "sandbox", "auth_application_key": os.environ["OVH_APPLICATION_KEY"],
        "auth_application_secret": os.environ["OVH_APPLICATION_SECRET"],
        "auth_consumer_key": os.environ["OVH_CONSUMER_KEY"]}
    with Client(ConfigResolver().with_dict(given)) as operations:
        operations.create_record("TXT", name, text)
"""


@dataclass(frozen=True)
class Task:
    """So many records: `names` are (selector, zone), `texts` the text at each."""

    names: Sequence[tuple[str, str]]
    texts: Sequence[str]

    def first(self, count: int) -> "Task":
        """As many of it."""
        return Task(self.names[:count], self.texts[:count])

    @property
    def zones(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(zone for _, zone in self.names))


@dataclass(frozen=True)
class Cost:
    """What one way of doing the task took."""

    seconds: float
    calls: int
    refreshes: int


Runner = Callable[[Sandbox], None]


def cost(task: Task, run: Runner) -> Cost:
    """Do it at a fresh sandbox. Raises AssertionError when not just the wanted records were made."""
    with sandbox(task) as running:
        start = time.perf_counter()
        run(running)
        seconds = time.perf_counter() - start
        for selector, zone in task.names:
            assert any(r.sub_domain == f"{selector}._domainkey" for r in running.zone(zone).served), (selector, zone)
        writes = [call.path for call in running.calls if call.method != "GET" and not call.path.endswith("/refresh")]
        assert len(writes) == len(task.names), writes
        return Cost(seconds, len(running.calls), max(running.zone(zone).refreshes for zone in task.zones))


def sandbox(task: Task) -> Sandbox:
    """The zones of the task with records of others in them."""
    made = Sandbox(task.zones, Switches(latency=LATENCY))
    for zone in map(made.zone, task.zones):
        for record in zone.edited:
            if record.field_type != "NS":
                zone.remove(record.id)
        for number in range(OTHERS):
            zone.add("A", f"host{number}", "192.0.2.1", TTL)
        zone.refresh()
        zone.refreshes = 0
    return made


def reckoned(task: Task, runner: Callable[[Task], Runner]) -> Cost:
    """The cost of the whole task from that of two parts of it: a start that is paid once, and so much for each."""
    few, more = (cost(task.first(count), runner(task.first(count))) for count in FEW)
    steps = (len(task.names) - FEW[0]) / (FEW[1] - FEW[0])
    calls = few.calls + steps * (more.calls - few.calls)
    return Cost(few.seconds + steps * (more.seconds - few.seconds), round(calls), more.refreshes)


def unchanged(task: Task, run: Runner) -> tuple[int, int]:
    """The calls of a second run, and how many of them write."""
    with sandbox(task) as running:
        run(running)
        running.clear_calls()
        run(running)
        return len(running.calls), sum(call.method != "GET" for call in running.calls)


def ours(dkimctl: str, root: Path) -> Runner:
    """With eight calls at a time, and no limit of their rate."""
    arguments = ["publish", "--provider", "ovh", "--no-wait", "--jobs", "8", "--rate", "0", "-q"]

    def run(sandbox: Sandbox) -> None:
        _quietly([dkimctl, *arguments], sandbox, DKIMCTL_ROOT=str(root))

    return run


def octodns(python: str, task: Task, work: Path) -> Runner:
    """One `sync` of all zones; the other records are in its files too, as it deletes what is not."""
    zones = work / "zones"
    zones.mkdir(exist_ok=True)
    for zone in task.zones:
        lines = [f"host{number}:\n  type: A\n  value: 192.0.2.1\n" for number in range(OTHERS)]
        for (selector, its), text in zip(task.names, task.texts, strict=True):
            if its == zone:
                lines.append(f"{selector}._domainkey:\n  type: TXT\n  value: '{text.replace(';', chr(92) + ';')}'\n")
        (zones / f"{zone}.yaml").write_text("".join(sorted(lines)))

    def run(sandbox: Sandbox) -> None:
        keys = ("application_key", "application_secret", "consumer_key")
        given = "".join(f"    {key}: env/OVH_{key.upper()}\n" for key in keys)
        config = work / "octodns.yaml"
        config.write_text(
            "providers:\n"
            f"  files:\n    class: octodns.provider.yaml.YamlProvider\n    directory: {zones}\n"
            "    enforce_order: false\n"
            f"  api:\n    class: octodns_ovh.OvhProvider\n    endpoint: sandbox\n{given}"
            "zones:\n" + "".join(f"  {zone}.:\n    sources: [files]\n    targets: [api]\n" for zone in task.zones)
        )
        _quietly([python, "-c", OCTODNS, str(config)], sandbox)

    return run


def lexicon(python: str, task: Task, work: Path) -> Runner:
    """One process for all records, which is kinder to it than its command line."""
    listed = work / "records"
    pairs = zip(task.names, task.texts, strict=True)
    listed.write_text("".join(f"{selector}._domainkey {zone} {text}\n" for (selector, zone), text in pairs))
    return lambda sandbox: _quietly([python, "-c", LEXICON, str(listed)], sandbox)


def _quietly(command: Sequence[str], sandbox: Sandbox, **more: str) -> None:
    ended = subprocess.run(command, env={**os.environ, **sandbox.environment(), **more}, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{command[0]}: exit {ended.returncode}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")


def keys(dkimctl: str, names: Sequence[tuple[str, str]], root: Path) -> Task:
    """A key for each name, and the texts of their records."""
    listed = root / "names"
    listed.write_text("".join(f"{zone} {selector}\n" for selector, zone in names))
    environment = {**os.environ, "DKIMCTL_ROOT": str(root)}
    make = [dkimctl, "genkey", "--algorithm", "ed25519", "--from-file", str(listed), "-q"]
    subprocess.run(make, env=environment, check=True, stdout=subprocess.DEVNULL)
    show = [dkimctl, "record", "--format", "oneline"]
    lines = subprocess.run(show, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    texts = {line.partition(". ")[0]: line.split('"')[1] for line in lines}
    return Task(names, [texts[f"{selector}._domainkey.{zone}"] for selector, zone in names])


def peers(python: str | None, stack: ExitStack) -> str:
    """A Python with the peers in it."""
    if python:
        return python
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    EnvBuilder(with_pip=True).create(directory)
    made = str(Path(directory) / "bin/python")
    subprocess.run([made, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS], check=True)
    return made


@dataclass(frozen=True)
class Contest:
    """One task for all, what it may cost in time against each peer, and which peers are too slow for all of it."""

    what: str
    names: Sequence[tuple[str, str]]
    limits: dict[str, float]
    slow: tuple[str, ...]


CONTESTS = (
    Contest(
        f"{COUNT} records in one zone",
        [(f"s{n}", "bench.example") for n in range(COUNT)],
        {"octodns-ovh": 0.25},
        ("dns-lexicon",),
    ),
    Contest(
        f"{COUNT} zones of one record",
        [("s", f"z{n}.example") for n in range(COUNT)],
        {"octodns-ovh": 0.05, "dns-lexicon": 0.2},
        ("octodns-ovh", "dns-lexicon"),
    ),
)


def held(contest: Contest, dkimctl: str, python: str, *, rounds: int, full: bool, work: Path) -> list[Claim]:
    """Everybody in every round; medians of the time, the calls are the same in each."""
    root = work / "root"
    root.mkdir()
    task = keys(dkimctl, contest.names, root)
    runners: dict[str, Callable[[Task], Runner]] = {
        "octodns-ovh": lambda part: octodns(python, part, work),
        "dns-lexicon": lambda part: lexicon(python, part, work),
    }
    costs: dict[str, list[Cost]] = {"dkimctl": [], **{peer: [] for peer in runners}}
    for number in range(rounds):
        fresh = shutil.copytree(root, work / f"root{number}")  # keys of which nobody knows yet that they are published
        costs["dkimctl"].append(cost(task, ours(dkimctl, fresh)))
        for peer, runner in runners.items():
            is_slow = peer in contest.slow and not full
            costs[peer].append(reckoned(task, runner) if is_slow else cost(task, runner(task)))
    seconds = {name: median(one.seconds for one in found) for name, found in costs.items()}
    again, writes = unchanged(task, ours(dkimctl, root))
    zones = len(task.zones)
    claims = [
        Claim(f"of a zone: {contest.what}", 1, costs["dkimctl"][0].refreshes, unit="refreshes"),
        Claim(f"for each zone when nothing is to change: {contest.what}", 5, again / zones, unit="calls"),
        Claim(f"when nothing is to change: {contest.what}", 0, writes, unit="calls that write"),
    ]
    for peer in runners:
        how = f" (reckoned from {FEW[0]} and {FEW[1]})" if peer in contest.slow and not full else ""
        calls = costs["dkimctl"][0].calls, costs[peer][0].calls
        limit = contest.limits.get(peer, 1)
        claims.append(Claim(f"the calls of {peer}{how}: {contest.what}", 1, calls[0] / calls[1]))
        claims.append(Claim(f"the time of {peer}{how}: {contest.what}", limit, seconds["dkimctl"] / seconds[peer]))
        print(f"{contest.what}: {calls[0]} calls; {peer}{how} {calls[1]}", flush=True)
    return claims


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="the peers do all of it too: some ten minutes")
    asked = parser.parse_args()
    claims: list[Claim] = []
    with ExitStack() as stack:
        python = peers(asked.peers, stack)
        for contest in CONTESTS:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            claims += held(contest, asked.dkimctl, python, rounds=asked.rounds, full=asked.full, work=work)
    return report("publish against its peers", claims)


if __name__ == "__main__":
    sys.exit(main())
