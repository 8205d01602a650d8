"""Publishing against octodns-ovh and dns-lexicon:  python tests/bench/publish_peers.py [DKIMCTL] [--peers PYTHON]

Each does the same in the same run: 100 new records in one zone, and one in each of 100 zones, at a sandbox that takes
50 ms for each call; zones hold 20 other records. Whole processes, read-back included (the peers read nothing back).
PYTHON: one with octodns-ovh and dns-lexicon; without it both are installed from PyPI into an environment of their own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from venv import EnvBuilder

from measure import Claim, report

from dkimctl.sandbox import Sandbox, Switches

COUNT = 100
OTHERS = 20
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
    """So many records: `names` are (selector, zone), `texts` what stands at them."""

    names: Sequence[tuple[str, str]]
    texts: Sequence[str]

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


def cost(task: Task, run: Callable[[Sandbox], None]) -> Cost:
    """Do it at a fresh sandbox. Raises AssertionError when the records do not stand there afterwards."""
    with Sandbox(task.zones, Switches(latency=LATENCY)) as sandbox:
        for zone in task.zones:
            for number in range(OTHERS):
                sandbox.zone(zone).add("A", f"host{number}", "192.0.2.1")
        start = time.perf_counter()
        run(sandbox)
        seconds = time.perf_counter() - start
        for selector, zone in task.names:
            assert any(r.sub_domain == f"{selector}._domainkey" for r in sandbox.zone(zone).served), (selector, zone)
        return Cost(seconds, len(sandbox.calls), max(sandbox.zone(zone).refreshes for zone in task.zones))


def ours(dkimctl: str, root: Path) -> Callable[[Sandbox], None]:
    """With eight calls at a time, and no limit of their rate."""
    arguments = ["publish", "--provider", "ovh", "--no-wait", "--jobs", "8", "--rate", "0", "-q"]

    def run(sandbox: Sandbox) -> None:
        _quietly([dkimctl, *arguments], sandbox, DKIMCTL_ROOT=str(root))

    return run


def octodns(python: str, task: Task, work: Path) -> Callable[[Sandbox], None]:
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


def lexicon(python: str, task: Task, work: Path) -> Callable[[Sandbox], None]:
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


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--peers", metavar="PYTHON")
    asked = parser.parse_args()
    claims: list[Claim] = []
    with ExitStack() as stack:
        python = peers(asked.peers, stack)
        for what, names, limits in (
            ("100 records in one zone", [(f"s{n}", "bench.example") for n in range(COUNT)], (0.25, None)),
            ("100 zones of one record", [("s", f"z{n}.example") for n in range(COUNT)], (0.05, 0.2)),
        ):
            root, work = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
            task = keys(asked.dkimctl, names, root)
            own = cost(task, ours(asked.dkimctl, root))
            claims.append(Claim(f"{what}: refreshes of a zone", 1, own.refreshes, unit=""))
            found = {"octodns-ovh": octodns(python, task, work), "dns-lexicon": lexicon(python, task, work)}
            for (peer, run), limit in zip(found.items(), limits, strict=True):
                other = cost(task, run)
                claims.append(Claim(f"the calls of {peer}: {what}", 1, own.calls / other.calls))
                if limit:
                    claims.append(Claim(f"the time of {peer}: {what}", limit, own.seconds / other.seconds))
                print(f"{what}: {own.calls} calls; {peer} {other.calls}", flush=True)
    return report("publish against its peers", claims)


if __name__ == "__main__":
    sys.exit(main())
