"""The terminal contract: results on stdout, everything else on stderr.

Messages start in lower case and end without a period. Errors are `dkimctl: error: …`, then `dkimctl: hint: …`.
Colour only on a terminal and never when NO_COLOR is set; no meaning hangs on it.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TextIO

from dkimctl.errors import ConfigError, DiskError, DkimctlError, reason
from dkimctl.output.escapes import OF_MESSAGES, OF_RESULTS

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_STYLES = {"error": "1;31", "warning": "1;33", "hint": "36", "note": "2"}


class Terminal(NamedTuple):
    """Where a command's words go. `json`: stdout belongs to one document; `verbosity`: -1 quiet, 0, 1, 2."""

    json: bool = False
    verbosity: int = 0
    typed: Callable[[str], str] = str
    """Gives the commands that stand in a message what they need to be pasted."""

    def result(self, text: str, *, style: str = "") -> None:
        """A line or a block of the result; not with `--json`."""
        if not self.json:
            shown = text.translate(OF_RESULTS)
            self._out(paint(shown.removesuffix("\n"), style, sys.stdout) + "\n" if style else _ended(shown))

    def stream(self, text: str) -> None:
        """A part of a result for programs: lines as they are."""
        self._out(_ended(text))

    def step(self, text: str) -> None:
        """A result of work that goes on: whoever reads stdout gets it now.

        Raises KeyboardInterrupt when nobody reads on: what nobody hears of is not begun.
        """
        try:
            self.result(text)
            self.flush()
        except BrokenPipeError:
            self.abandon()
            raise KeyboardInterrupt from None

    def document(self, kind: str, value: object, **more: object) -> None:
        """The one JSON document of a command; only with `--json`. `more`: further keys beside the main one."""
        if self.json:
            from dkimctl.output.machine import document

            self._out(document(kind, value, **more))

    def flush(self) -> None:
        """Hand over what stdout still holds. Raises DiskError when it cannot, BrokenPipeError when nobody reads on."""
        with self.writing():
            sys.stdout.flush()

    def abandon(self, stream: TextIO | None = None) -> None:
        """Throw away what a stream (stdout) still holds, so that it does not fail again when the interpreter ends."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())

    def note(self, text: str) -> None:
        """What is going on; not with -q."""
        if self.verbosity >= 0:
            self._line("note", text)

    def detail(self, text: str) -> None:
        """What only -v shows."""
        if self.verbosity > 0:
            self._line("note", text)

    def warning(self, text: str, hint: str = "") -> None:
        """Something that works but should be looked at."""
        self._line("warning", text)
        if hint:
            self._line("hint", hint)

    def failure(self, error: DkimctlError) -> None:
        """One thing of several that failed: all its problems and its hint. The others go on."""
        self._line("error", error.message)
        for problem in error.problems if isinstance(error, ConfigError) else ():
            self._line("error", problem)
        if error.hint:
            self._line("hint", error.hint)

    def error(self, error: DkimctlError) -> None:
        """The error that ended the command; with `--json` as a document on stdout as well."""
        self.failure(error)
        problems = error.problems if isinstance(error, ConfigError) else ()
        value = {
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
            "problems": list(problems),
        }
        self.document("error", value)

    def usage(self, text: str) -> None:
        """The help of a command that was typed without what it needs."""
        self._err(text + "\n")

    def _out(self, text: str) -> None:
        with self.writing():
            sys.stdout.write(text)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A full disk is a DiskError; what to do about a reader who has gone is for the caller to decide."""
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.abandon()
            raise DiskError(f"cannot write the output: {reason(error)}", hint="see where stdout goes") from error

    def _line(self, kind: str, text: str) -> None:
        label = "" if kind == "note" else f"{kind}: "
        self._err(
            paint(f"dkimctl: {label}", _STYLES[kind], sys.stderr) + self.typed(text).translate(OF_MESSAGES) + "\n"
        )

    def _err(self, text: str) -> None:
        try:
            sys.stderr.write(text)
        except OSError:
            self.abandon(sys.stderr)  # nobody is left who could be told


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def paint(text: str, style: str, stream: TextIO) -> str:
    """`text` in an ANSI style when the stream is a terminal that may show it."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{style}m{text}\x1b[0m"
