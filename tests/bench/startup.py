"""How fast the program starts:  tests/bench/run startup   (or: PYTHON tests/bench/startup.py)

Measured on the program that is installed beside this Python, in an environment that holds nothing else (dnspython, for
one, imports httpx where it finds it), with compiled modules, against the same Python.
"""

import os
import sys
from pathlib import Path

from measure import Claim, command, interleaved, report

from dkimctl.cli.commands import COMMANDS

ROUNDS = 41


def main() -> int:
    """Measure, print the table, and say whether every claim holds."""
    python, program = sys.executable, str(Path(sys.executable).parent / "dkimctl")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    help_of = {name: f"dkimctl {name} --help" for name in COMMANDS}
    typed = {
        "python -c pass": (python, "-c", "pass"),
        "python -c 'import click'": (python, "-c", "import click"),
        "dkimctl --version": (program, "--version"),
        "dkimctl --help": (program, "--help"),
        **{line: (program, name, "--help") for name, line in help_of.items()},
    }
    seconds = interleaved(
        {line: command(*argv, env=environment) for line, argv in typed.items()}, rounds=ROUNDS, warm_up=2
    )
    nothing, click = seconds["python -c pass"], seconds["python -c 'import click'"]
    claims = [
        Claim("python -c pass: dkimctl --version", 1.3, seconds["dkimctl --version"] / nothing),
        Claim("python -c 'import click': dkimctl --help", 1.3, seconds["dkimctl --help"] / click),
        *(Claim(f"python -c 'import click': {line}", 1.6, seconds[line] / click) for line in help_of.values()),
    ]
    for line, taken in seconds.items():
        print(f"{taken * 1000:8.1f} ms  {line}")
    return report(f"start-up, medians of {ROUNDS} interleaved rounds", claims)


if __name__ == "__main__":
    sys.exit(main())
