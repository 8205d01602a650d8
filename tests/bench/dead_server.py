"""A dead server in a long list:  python tests/bench/dead_server.py [--rounds N] [--names N]

The same names of a wildcard, once with both servers of their zone alive, once with one that takes every question and
answers none; and once more with two resolvers of which one is dead. The runs take turns, so that what else the machine
does meets them alike. Five minutes for 100,000 names.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from measure import Case, Claim, command, interleaved, report

from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.dns_servers import Knot, name_servers, txt
from tests.hostile_dns import Hostile
from tests.ports import free_port_everywhere

FIRST, SECOND, DEAD = "127.0.0.1", "127.0.0.2", "127.0.8.21"
ZONES = {"alive.example": (FIRST, SECOND), "half.example": (FIRST, DEAD)}
UNKNOWN = 3
"""The exit code where a name could not be asked for everywhere."""


def cases(directory: Path, port: int, names: int) -> dict[str, Case]:
    """Each list of names with its resolvers."""

    def verify(zone: str, *resolvers: str) -> Case:
        path = directory / f"{zone}.names"
        path.write_text("".join(f"s._domainkey.customer{n}.wild.{zone}\n" for n in range(names)))
        env = {
            **os.environ,
            "DKIMCTL_ROOT": str(directory),
            "DKIMCTL_NAMESERVERS": ",".join(f"{address}:{port}" for address in resolvers),
            "DKIMCTL_DNS_PORT": str(port),
        }
        expect = UNKNOWN if zone == "half.example" else 0
        return command(sys.executable, "-m", "dkimctl", "verify-dns", "--from-file", str(path), env=env, expect=expect)

    return {
        "alive": verify("alive.example", FIRST),
        "dead server": verify("half.example", FIRST),
        "two resolvers": verify("alive.example", FIRST, SECOND),
        "dead resolver": verify("alive.example", DEAD, FIRST),
    }


def measured(directory: Path, rounds: int, names: int) -> Iterator[Claim]:
    """A dead server against none, and a dead resolver against none."""
    record = record_for(generate(Algorithm.RSA).public, "rsa", Tags()).text
    zones = {name: name_servers(*addresses) + txt("*.wild", record) for name, addresses in ZONES.items()}
    port = free_port_everywhere(FIRST, SECOND, DEAD)
    with ExitStack() as stack:
        for address in (FIRST, SECOND):
            stack.callback(Knot(directory / address, address, port, zones).start().stop)
        stack.callback(Hostile(DEAD, port, lambda _query, _send: None).start().stop)
        seconds = interleaved(cases(directory, port, names), rounds=rounds, warm_up=0)
    for name, taken in seconds.items():
        print(f"{name}: {taken:.1f} s", file=sys.stderr)
    yield Claim(f"all alive: one dead server, {names:,} names", 2, seconds["dead server"] / seconds["alive"])
    yield Claim(
        f"all alive: one dead resolver, {names:,} names", 2, seconds["dead resolver"] / seconds["two resolvers"]
    )


def main() -> int:
    """Measure, print, and end with 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--names", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return report("a dead server", [*measured(Path(directory), options.rounds, options.names)])


if __name__ == "__main__":
    sys.exit(main())
