"""Checking key records, against opendkim-testkey, dnsperf and dig:  python tests/bench/verify.py [--rounds N]

A knot on loopback serves 10,000 RSA-2048 records of one zone, a domain each. Everybody compares every record with its
private key, but dnsperf, which only asks: it is the limit. Once more without the metadata that dkimctl keeps beside
a key, as keys of opendkim-genkey are. A name costs dkimctl two questions, since it makes sure of
the zone as well; "in flight" counts names. "One core" is the same one for dkimctl and for dnsperf; knot has all of
them, and is put on that one or on another by the kernel, for both alike.

The latency is a server of this bench's own that answers as knot does, 20 to 50 ms later. Memory is that of all
processes together (PSS), looked at every few milliseconds; its growth is told by 10,000 and by --names names of a list
against a wildcard. Takes three minutes; a million names take two more. What is not installed is left out
(apt-get install opendkim-tools dnsperf bind9-dnsutils).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from delaying import delaying
from measure import Case, Claim, command, interleaved, report
from memory import peak_memory
from verify_machine import HOME, NAMES, ZONE, Machine, machine

from tests.ports import free_port_everywhere

BURST = 64  # in flight on loopback: with more in one burst knot's socket overflows, and dnsperf waits for what is lost
WINDOW = 256  # in flight with latency, where dnsperf is the peer; elsewhere what dkimctl does by itself
LATENCY = (0.020, 0.050)
FAR_KEYS = 200  # for opendkim-testkey with latency, which takes 37 ms for each
ONE = f"s._domainkey.d1.{ZONE}"


def verify(machine: Machine, port: int, *more: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """verify-dns as a command with its environment; everything is asked at this port."""
    env = {
        **os.environ,
        "DKIMCTL_ROOT": str(machine.root),
        "DKIMCTL_NAMESERVERS": f"{HOME}:{port}",
        "DKIMCTL_DNS_PORT": str(port),
    }
    return (sys.executable, "-m", "dkimctl", "verify-dns", *more), env


def ours(machine: Machine, port: int, *more: str) -> Case:
    """verify-dns as a case."""
    argv, env = verify(machine, port, *more)
    return command(*argv, env=env)


def dnsperf(machine: Machine, port: int, in_flight: int, *before: str) -> Case:
    """The same names asked for by dnsperf."""
    where = ("-s", HOME, "-p", str(port), "-d", str(machine.questions))
    return command(*before, "dnsperf", *where, "-q", str(in_flight), "-c", "1", "-T", "1", "-n", "1")


def on_loopback(machine: Machine, rounds: int) -> Iterator[Claim]:
    """All cores against opendkim-testkey, one core against dnsperf, and one name."""
    without = ("--root", str(machine.forget_metadata()))
    cases = {"ours": ours(machine, machine.port), "one name": ours(machine, machine.port, f"d1.{ZONE}")}
    if shutil.which("opendkim-testkey"):
        cases["testkey"] = command(*machine.testkey(machine.port, NAMES))
        cases["no metadata"] = ours(machine, machine.port, *without)
    seconds = interleaved(cases, rounds=rounds)
    yield Claim("for one name, whole process", 0.35, seconds["one name"], "s")
    if "testkey" in seconds:
        yield Claim("opendkim-testkey: 10,000 keys", 0.08, seconds["ours"] / seconds["testkey"])
        genkey = "opendkim-testkey: 10,000 keys of opendkim-genkey, without metadata"
        yield Claim(genkey, 0.12, seconds["no metadata"] / seconds["testkey"])
    if shutil.which("dnsperf"):
        argv, env = verify(machine, machine.port, "--concurrency", str(BURST))
        one_core = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
        cases = {
            "ours": command(*one_core, *argv, env=env),
            "dnsperf": dnsperf(machine, machine.port, BURST, *one_core),
        }
        seconds = interleaved(cases, rounds=2 * rounds)
        yield Claim(f"dnsperf: 10,000 names, one core, {BURST} in flight", 6, seconds["ours"] / seconds["dnsperf"])


def far_away(machine: Machine, rounds: int) -> Iterator[Claim]:
    """The same through 20 to 50 ms."""
    port = free_port_everywhere(HOME)
    with delaying(port, machine.port, LATENCY):
        cases = {"ours": ours(machine, port)}
        if shutil.which("opendkim-testkey"):
            cases["testkey"] = command(*machine.testkey(port, FAR_KEYS))
        if shutil.which("dnsperf"):
            cases["dnsperf"] = dnsperf(machine, port, WINDOW)
            cases["ours, as many"] = ours(machine, port, "--concurrency", str(WINDOW))
        seconds = interleaved(cases, rounds=rounds)
    if "testkey" in seconds:
        scaled = seconds["testkey"] * NAMES / FAR_KEYS
        yield Claim(f"opendkim-testkey, 20-50 ms away ({FAR_KEYS} keys, scaled)", 0.005, seconds["ours"] / scaled)
    if "dnsperf" in seconds:
        yield Claim(f"dnsperf, 20-50 ms away, {WINDOW} in flight", 1.5, seconds["ours, as many"] / seconds["dnsperf"])


def in_memory(machine: Machine, names: int) -> Iterator[Claim]:
    """What 10,000 keys take, and what more names of a list add."""
    keys = peak_memory(*verify(machine, machine.port))
    yield Claim("of memory for 10,000 keys, all processes", 80, keys / 2**20, "MiB")
    few, many = (
        peak_memory(*verify(machine, machine.port, "--from-file", str(machine.wild_names(count))))
        for count in (NAMES, names)
    )
    yield Claim(f"more for each name, 10,000 to {names:,}", 200, (many - few) / (names - NAMES), "bytes")


def in_questions(machine: Machine) -> Iterator[Claim]:
    """The questions for one name, against those that a person asks with dig to know as much about its record.

    Where the zone begins, its servers, their addresses of both kinds, and the record at each of them.
    """
    by_hand = [
        (f"_domainkey.d1.{ZONE}", "SOA"),
        (ZONE, "NS"),
        (f"ns1.{ZONE}", "A"),
        (f"ns1.{ZONE}", "AAAA"),
        (ONE, "TXT"),
    ]
    port = free_port_everywhere(HOME)
    with delaying(port, machine.port, (0, 0)) as count:
        argv, env = verify(machine, port, f"d1.{ZONE}")
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)
        asked = count.value
        for name, kind in by_hand:
            subprocess.run(["dig", f"@{HOME}", "-p", str(port), name, kind], check=True, stdout=subprocess.DEVNULL)
        yield Claim("dig: questions sent for one name", 2, asked / (count.value - asked))


def main() -> int:
    """Measure, print, and end with 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--names", type=int, default=200_000, help="names for the growth of memory (200,000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        missing = [name for name in ("opendkim-testkey", "dnsperf", "dig") if not shutil.which(name)]
        if missing:
            print(f"not installed, so not compared: {', '.join(missing)}", file=sys.stderr)
        started = time.monotonic()
        with machine(Path(directory)) as made:
            print(f"made in {time.monotonic() - started:.0f} s", file=sys.stderr)
            claims = [*on_loopback(made, options.rounds), *far_away(made, min(3, options.rounds))]
            claims += in_questions(made) if shutil.which("dig") else []
            claims += in_memory(made, options.names)
            return report("verify-dns", claims)


if __name__ == "__main__":
    sys.exit(main())
