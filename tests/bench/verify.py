"""How fast key records are checked, against opendkim-testkey and dnsperf:  python tests/bench/verify.py [--rounds N]

A knot on loopback serves 10,000 RSA-2048 records of one zone, a domain each. Everybody compares every record with its
private key, but dnsperf, which only asks: it is the limit. Memory is what the whole process held at most.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from measure import Claim, command, interleaved, report

from dkimctl.keys import metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.dns_servers import Knot, free_port_everywhere, name_servers, txt

NAMES = 10_000
PAIRS = 20  # different keys; each serves many names, since making 10,000 takes ten minutes
HOME = "127.0.0.1"
ZONE = "bench.example"
IN_FLIGHT = "64"  # dnsperf sends them in one burst: with more, knot's socket overflows and it waits for what is lost


def make_machine(root: Path) -> str:
    """Keys, metadata, a KeyTable and dnsperf's questions below `root`; returns the zone's text."""
    pairs = [generate(Algorithm.RSA) for _ in range(PAIRS)]
    tags = metadata.Tags()
    records = [record_for(pair.public, "rsa", tags).text for pair in pairs]
    zone, questions, table = [name_servers(HOME)], [], []
    for n in range(NAMES):
        directory = root / f"etc/opendkim/keys/d{n}.{ZONE}"
        directory.mkdir(parents=True, mode=0o700)
        private = directory / "s.private"
        private.write_bytes(pairs[n % PAIRS].private_pem)
        private.chmod(0o600)
        (directory / "s.txt").write_text(records[n % PAIRS])
        made = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=n)
        (directory / "s.json").write_bytes(metadata.to_json(metadata.new_metadata("rsa", 2048, tags, made)))
        zone.append(txt(f"s._domainkey.d{n}", records[n % PAIRS]))
        questions.append(f"s._domainkey.d{n}.{ZONE} TXT\n")
        table.append(f"k{n} d{n}.{ZONE}:s:{private}\n")
    (root / "questions").write_text("".join(questions))
    (root / "KeyTable").write_text("".join(table))
    return "".join(zone)


@contextmanager
def served(root: Path) -> Iterator[int]:
    """The port of a knot that serves the machine's records."""
    port = free_port_everywhere(HOME)
    zone = make_machine(root)
    (root / "testkey.conf").write_text(f"KeyTable file:{root}/KeyTable\nNameservers {HOME}@{port}\n")
    knot = Knot(root / "knot", HOME, port, {ZONE: zone}).start()
    try:
        yield port
    finally:
        knot.stop()


def peak_memory(argv: list[str], env: dict[str, str]) -> float:
    """MiB that a process held at most."""
    process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit {process.returncode}")
    return usage.ru_maxrss / 1024


def measured(root: Path, port: int, rounds: int) -> list[Claim]:
    """Everything side by side."""
    dkimctl = [sys.executable, "-m", "dkimctl"]
    env = {
        **os.environ,
        "DKIMCTL_ROOT": str(root),
        "DKIMCTL_NAMESERVERS": f"{HOME}:{port}",
        "DKIMCTL_DNS_PORT": str(port),
    }
    every = [*dkimctl, "verify-dns"]
    one = [*dkimctl, "verify-dns", f"d1.{ZONE}"]
    perf = [
        "dnsperf",
        "-s",
        HOME,
        "-p",
        str(port),
        "-d",
        f"{root}/questions",
        "-q",
        IN_FLIGHT,
        "-c",
        "1",
        "-T",
        "1",
        "-n",
        "1",
    ]
    cases = {"ours": command(*every, env=env), "one name": command(*one, env=env)}
    if shutil.which("opendkim-testkey"):
        cases["opendkim-testkey"] = command("opendkim-testkey", "-x", f"{root}/testkey.conf")
    if shutil.which("dnsperf"):
        cases["dnsperf"] = command(*perf)
        core = str(min(os.sched_getaffinity(0)))
        limited = [*every, "--concurrency", IN_FLIGHT]
        cases["ours, one core"] = command("taskset", "-c", core, *limited, env=env)
    seconds = interleaved(cases, rounds=rounds)
    claims = [Claim("seconds for one name, whole process", 0.35, seconds["one name"], "s")]
    if "opendkim-testkey" in seconds:
        claims.append(Claim("opendkim-testkey: 10,000 keys", 0.08, seconds["ours"] / seconds["opendkim-testkey"]))
    if "dnsperf" in seconds:
        claims.append(
            Claim("dnsperf: 10,000 names, keys compared, one core", 6, seconds["ours, one core"] / seconds["dnsperf"])
        )
    claims.append(Claim("of memory at 10,000 names", 80, peak_memory(every, env), "MiB"))
    return claims


def main() -> int:
    """Measure, print, and end with 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        started = time.monotonic()
        with served(Path(directory)) as port:
            print(f"made in {time.monotonic() - started:.0f} s", file=sys.stderr)
            return report("verify-dns", measured(Path(directory), port, options.rounds))


if __name__ == "__main__":
    sys.exit(main())
