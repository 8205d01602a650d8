"""How fast keys are made, against opendkim-genkey:  python tests/bench/genkey.py [DKIMCTL] [--rounds N]

DKIMCTL is the installed program (default: the `dkimctl` beside this Python). The search for primes is random: medians
need many rounds. The shell loop of 200 keys takes half a minute a round, or more.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Case, Claim, command, interleaved, report

MANY = 200
LOOP = 'i=0; while [ $i -lt "$1" ]; do i=$((i+1)); opendkim-genkey -b 2048 -d d$i.example -D "$2" -s s$i; done'


def in_fresh_directory(make: Callable[[str], Case]) -> Case:
    """A case that gets an empty directory each time; making and removing it is not measured."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as directory:
            return make(directory)()

    return run


def one_key(dkimctl: str, rounds: int) -> list[Claim]:
    """One RSA-2048 key, the whole process."""
    ours, theirs = "dkimctl genkey", "opendkim-genkey"
    seconds = interleaved(
        {
            ours: in_fresh_directory(lambda d: command(dkimctl, "genkey", "d.example", "-s", "s", "-D", f"{d}/keys")),
            theirs: in_fresh_directory(lambda d: command(theirs, "-b", "2048", "-d", "d.example", "-D", d, "-s", "s")),
        },
        rounds=rounds,
    )
    return [Claim("opendkim-genkey: one RSA-2048 key, whole process", 0.6, seconds[ours] / seconds[theirs])]


def many_keys(dkimctl: str, rounds: int) -> list[Claim]:
    """200 keys: as many at a time as it likes, one at a time, and by a shell loop of opendkim-genkey."""

    def ours(*options: str) -> Case:
        def make(directory: str) -> Case:
            names = Path(directory) / "names"
            names.write_text("".join(f"d{i}.example\n" for i in range(MANY)))
            keys = f"{directory}/keys"
            return command(dkimctl, "genkey", "-s", "s", "--from-file", str(names), "-D", keys, *options)

        return in_fresh_directory(make)

    loop = in_fresh_directory(lambda d: command("sh", "-c", LOOP, "sh", str(MANY), d))
    seconds = interleaved({"one": ours("--jobs", "1"), "all": ours(), "loop": loop}, rounds=rounds, warm_up=0)
    return [
        Claim(f"a shell loop of opendkim-genkey: {MANY} keys on all cores", 0.12, seconds["all"] / seconds["loop"]),
        Claim(
            f"its own rate with one thread: {MANY} keys on all cores",
            1.8,
            seconds["one"] / seconds["all"],
            at_least=True,
        ),
    ]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--rounds", type=int, default=151, help="rounds for one key")
    parser.add_argument("--many-rounds", type=int, default=5, help=f"rounds for {MANY} keys")
    options = parser.parse_args()
    if shutil.which("opendkim-genkey") is None:
        sys.exit("opendkim-genkey is not installed: apt-get install opendkim-tools")
    claims = one_key(options.dkimctl, options.rounds)
    if options.many_rounds:
        claims += many_keys(options.dkimctl, options.many_rounds)
    return report("genkey", claims)


if __name__ == "__main__":
    sys.exit(main())
