"""Run by an ordinary user on a tree of their own: each command, while one file or directory of the tree is closed.

    python -m tests.closed_files ROOT < JSON of {PATH: [COMMAND LINE, …]}

Prints JSON of [PATH, COMMAND LINE, exit code, stdout and stderr]; an empty PATH closes nothing.
"""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from dkimctl.entry import run


def main(root: Path, wanted: dict[str, list[str]]) -> list[tuple[str, str, int, str]]:
    """Close each path in turn, run its commands, and open it again."""
    os.environ["DKIMCTL_ROOT"] = str(root)
    results = []
    for path, lines in wanted.items():
        place = root / path.lstrip("/")
        mode = place.stat().st_mode & 0o7777
        if path:
            place.chmod(0)
        for line in lines:
            said = io.StringIO()
            with redirect_stdout(said), redirect_stderr(said):
                sys.argv = ["dkimctl", *line.split()]
                code = run()
            results.append((path, line, code, said.getvalue()))
        place.chmod(mode)
    return results


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), json.load(sys.stdin))))
