"""dkimctl that stops once, when it reads a file, asks for a lock or is about to write, until it is told to go on.

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
from dkimctl.files.staged import Staged
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
    for place, name in ((reading, "_open"), (lock, "_try_lock"), (postconf, "_postconf"), (Staged, "put")):
        setattr(place, name, _stopping(getattr(place, name), number))
    sys.argv = ["dkimctl", *arguments]
    with contextlib.redirect_stdout(io.StringIO()):
        code = run()
    print(f"ended {_met} {code}", file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
