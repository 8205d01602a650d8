"""What publishing costs at the API:  python tests/bench/publish.py [DKIMCTL] [--rounds N]

DKIMCTL is the installed program (default: the `dkimctl` beside this Python). Calls are counted by the sandbox. Zones in
parallel are timed from the first call to the last, with 20 ms for each call: the program's start is measured elsewhere.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import Case, Claim, interleaved, report

from dkimctl.sandbox import LoggedCall, Sandbox, Switches

SIZES = (1, 10, 100)
ZONES = 16
LATENCY = 0.02  # seconds


@contextmanager
def keys(dkimctl: str, names: list[str]) -> Iterator[str]:
    """A root directory with a key for each line `domain selector`."""
    with tempfile.TemporaryDirectory() as root:
        listed = Path(root) / "names"
        listed.write_text("".join(f"{name}\n" for name in names))
        run(dkimctl, root, {}, "genkey", "--algorithm", "ed25519", "--from-file", str(listed))
        yield root


def run(dkimctl: str, root: str, environment: dict[str, str], *arguments: str) -> None:
    """The program, quietly. Raises CalledProcessError when it does not end with 0."""
    variables = {**os.environ, **environment, "DKIMCTL_ROOT": root}
    subprocess.run([dkimctl, *arguments, "-q"], env=variables, check=True, stdout=subprocess.DEVNULL)


def calls_in_one_zone(dkimctl: str, count: int, lines: list[str]) -> list[Claim]:
    """New records in one zone, then the same again."""
    with Sandbox(["bench.example"]) as sandbox, keys(dkimctl, lines) as root:
        run(dkimctl, root, sandbox.environment(), "publish", "--provider", "ovh")
        new, refreshes = len(sandbox.calls), sandbox.zone("bench.example").refreshes
        sandbox.clear_calls()
        run(dkimctl, root, sandbox.environment(), "publish", "--provider", "ovh")
        writes = sum(call.method != "GET" for call in sandbox.calls)
    kind = "record" if count == 1 else "sub-domains" if len({line.split()[0] for line in lines}) > 1 else "selectors"
    return [
        Claim(f"for {count} new {kind} in one zone", 5 + 4 * count, new, unit="API calls"),
        Claim(f"for {count} new {kind} in one zone", 1, refreshes, unit="refreshes"),
        Claim(f"for {count} unchanged {kind}", 0, writes, unit="calls that write"),
    ]


def in_parallel(dkimctl: str, rounds: int) -> list[Claim]:
    """Many zones with one new record each."""
    zones = [f"z{number}.example" for number in range(ZONES)]

    def publish(root: str, jobs: int) -> Case:
        def case() -> float:
            at: list[float] = []

            def note(_: LoggedCall) -> None:
                at.append(time.perf_counter())

            with Sandbox(zones, Switches(latency=LATENCY), on_call=note) as sandbox:
                options = ("--provider", "ovh", "--no-wait", "--rate", "0", "--jobs", str(jobs))
                run(dkimctl, root, sandbox.environment(), "publish", *options)
            return at[-1] - at[0]

        return case

    with keys(dkimctl, [f"{zone} s" for zone in zones]) as root:
        cases = {f"{jobs}": publish(root, jobs) for jobs in (1, 4, 8)}
        seconds = interleaved(cases, rounds=rounds)
    return [
        Claim(f"the time with --jobs 1: {ZONES} zones with --jobs {jobs}", limit, seconds[jobs] / seconds["1"])
        for jobs, limit in (("4", 0.35), ("8", 0.25))
    ]


def main() -> int:
    """Print the table; 1 when something is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--rounds", type=int, default=21)
    asked = parser.parse_args()
    claims: list[Claim] = []
    for count in SIZES:
        claims += calls_in_one_zone(asked.dkimctl, count, [f"bench.example s{n}" for n in range(count)])
        if count > 1:
            claims += calls_in_one_zone(asked.dkimctl, count, [f"c{n}.bench.example s" for n in range(count)])
    return report("publish", claims + in_parallel(asked.dkimctl, asked.rounds))


if __name__ == "__main__":
    sys.exit(main())
