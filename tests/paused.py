"""dkimctl that stops once, when it reads a file, asks for a lock, is about to write, or asks the fleet's database.

It goes on when it is told so.

    python -m tests.paused NUMBER ARGUMENT…     says `paused` on stdout at the NUMBERth moment, and reads a line

At the end it says `ended COUNT CODE`: how many such moments there were, and its exit code.
"""

import contextlib
import io
import sys
from collections.abc import Callable
from typing import Any

from dkimctl.entry import run
from dkimctl.files import lock, reading
from dkimctl.files.batch import Batch
from dkimctl.files.staged import Staged
from dkimctl.fleet.database import Database
from dkimctl.postfix import postconf

_met = 0


def _stopping(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    def stopping(*arguments: Any, **named: Any) -> Any:
        global _met
        _met += 1
        if _met == number:
            print("paused", file=sys.__stdout__, flush=True)
            sys.stdin.readline()
        return function(*arguments, **named)

    return stopping


def main(number: int, arguments: list[str]) -> None:
    """Run the command."""
    files = ((reading, "_open"), (lock, "_try_lock"), (postconf, "_postconf"), (Staged, "put"), (Batch, "put"))
    for place, name in (*files, (Database, "_execute")):
        setattr(place, name, _stopping(getattr(place, name), number))
    sys.argv = ["dkimctl", *arguments]
    with contextlib.redirect_stdout(io.StringIO()):
        code = run()
    print(f"ended {_met} {code}", file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
