"""How long `adopt` takes for many domains:  python tests/bench/adopt.py [DKIMCTL]

Hand-made hosts below a scratch directory, with `file:` and with `refile:` tables: all domains are shown, taken over and
put back. What counts is that ten times the domains take about ten times as long, not a hundred times. Takes a minute.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from doctor import CONF, make_host, make_keys, make_tables
from measure import Claim, report

FEW, MANY = 1_000, 10_000


def handmade(root: Path, count: int, *, patterns: bool) -> None:
    """A host with so many domains, every one with its own key."""
    make_host(root)
    make_keys(root, [f"d{n}.example" for n in range(count)])
    make_tables(root, count, count, subdomains=True)
    if patterns:
        (root / "etc/opendkim.conf").write_text(CONF.replace("SigningTable file:", "SigningTable refile:"))
        rows = (f"*@d{n}.example mail.d{n}.example\n*@*.d{n}.example mail.d{n}.example\n" for n in range(count))
        (root / "etc/opendkim/SigningTable").write_text("".join(rows))


def adopt(dkimctl: str, root: Path, *options: str) -> tuple[float, float]:
    """Seconds and MiB of one run."""
    argv = [dkimctl, "adopt", "--root", str(root), *options]
    start = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("adopt: left out: needs root, because the keys belong to the daemon")
        return 0
    claims = []
    with tempfile.TemporaryDirectory() as directory:
        for kind in ("file", "refile"):
            few, many = Path(directory) / f"{kind}-few", Path(directory) / f"{kind}-many"
            handmade(few, FEW, patterns=kind == "refile")
            handmade(many, MANY, patterns=kind == "refile")
            for step in ((), ("--install",), ("--undo",)):
                (short, _), (long, mebibytes) = adopt(options.dkimctl, few, *step), adopt(options.dkimctl, many, *step)
                name = " ".join(("adopt", *step))
                print(f"{kind:6} {name:16} {FEW} domains {short:6.2f} s, {MANY} {long:6.2f} s, {mebibytes:4.0f} MiB")
                if step != ("--undo",):
                    times = MANY // FEW
                    claims.append(
                        Claim(f"{name} with {kind}: tables, {times} times the domains", 2 * times, long / short)
                    )
    return report("adopt", claims)


if __name__ == "__main__":
    sys.exit(main())
