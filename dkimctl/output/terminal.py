"""The terminal contract: results on stdout, everything else on stderr.

Messages start in lower case and end without a period. Errors are `dkimctl: error: …`, then `dkimctl: hint: …`.
On a terminal both are laid out at its width, in colours unless NO_COLOR is set; elsewhere they are plain text.
"""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TextIO

from dkimctl.errors import ConfigError, DiskError, DkimctlError, reason
from dkimctl.output.escapes import OF_MESSAGES, OF_RESULTS
from dkimctl.secrets import masked

if TYPE_CHECKING:
    from dkimctl.output.layout import Block

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_TOGETHER = 500  # paragraphs or rows printed at a time


class Terminal(NamedTuple):
    """The output of a command. `json`: stdout holds one JSON document; `verbosity`: -1 quiet, 0, 1, 2.

    `nagios`: stdout is read as that of a Nagios plug-in.
    """

    json: bool = False
    verbosity: int = 0
    typed: Callable[[str], str] = str
    """Adds the global options that were given to each command that a message proposes."""
    nagios: bool = False

    def show(self, blocks: "Iterable[Block]") -> None:
        """Print results for people: laid out on a terminal, plain text elsewhere; nothing with `--json`."""
        if self.json:
            return
        blocks = map(_without_secrets, blocks)  # before they are laid out: a secret may be broken between lines
        if is_screen(sys.stdout):
            from dkimctl.output.screen import show

            with self.writing():
                show(blocks, sys.stdout)
            return
        from dkimctl.output.plain import plain_lines

        self.lines(plain_lines(blocks))

    def lines(self, lines: Iterable[str]) -> None:
        """Print text that comes in lines, some of them at a time; nothing with `--json`."""
        several = iter(lines)
        while some := "".join(islice(several, _TOGETHER)):
            self.result(some)

    def result(self, text: str) -> None:
        """Print text as it is, for programs or to be copied; nothing with `--json`."""
        if not self.json:
            self._out(_ended(masked(text).translate(OF_RESULTS)))

    def stream(self, text: str) -> None:
        """Print a part of a result for programs unchanged."""
        self._out(_ended(text))

    def step(self, blocks: "Iterable[Block]") -> None:
        """Show a result while work goes on, and flush it. Raises KeyboardInterrupt when the reader of stdout has gone:
        work whose result nobody would see is not begun.
        """
        with self._read_on():
            self.show(blocks)
            self.flush()

    def message_step(self, text: str) -> None:
        """Show a message for people while work goes on, as `step` does: wrapped on a terminal only."""
        from dkimctl.output.layout import message

        self.step([message(text)])

    def line_step(self, text: str) -> None:
        """Print a line for programs while work goes on, as `step` does."""
        with self._read_on():
            self.result(text)
            self.flush()

    @contextmanager
    def _read_on(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.abandon()
            raise KeyboardInterrupt from None

    def document(self, kind: str, value: object, **more: object) -> None:
        """Print the one JSON document of a command; only with `--json`. `more`: further keys after the main one."""
        if self.json:
            from dkimctl.output.machine import document_parts

            for part in document_parts(kind, value, **more):
                self._out(part)

    def flush(self) -> None:
        """Flush stdout. Raises DiskError when it takes no more, BrokenPipeError when the reader has gone."""
        with self.writing(nothing_else=True):
            sys.stdout.flush()

    def abandon(self, stream: TextIO | None = None) -> None:
        """Discard what a stream (stdout) still buffers, so that it does not fail again when the interpreter exits."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), (stream or sys.stdout).fileno())

    def note(self, text: str) -> None:
        """Print what is going on; not with -q."""
        if self.verbosity >= 0:
            self._line("note", text)

    def detail(self, text: str) -> None:
        """Print a note that only -v shows; not for Nagios, where -v is about the problems."""
        if self.verbosity > 0 and not self.nagios:
            self._line("note", text)

    def warning(self, text: str, hint: str = "", lines: Iterable[str] = ()) -> None:
        """Print a warning: it works, but needs attention. `lines`: printed as they are, to be pasted."""
        self._line("warning", text)
        if hint:
            self._line("hint", hint)
        for line in lines:
            self._err(masked(line).translate(OF_MESSAGES) + "\n")

    def failure(self, error: DkimctlError) -> None:
        """Print an error that does not end the command: all its problems and its hint."""
        self._line("error", error.message)
        for problem in error.problems if isinstance(error, ConfigError) else ():
            self._line("error", problem)
        if error.hint:
            self._line("hint", error.hint)

    def error(self, error: DkimctlError) -> None:
        """Print the error that ended the command; with `--json` as a document on stdout as well.

        For Nagios it is the status line, and nothing is printed on stderr: Icinga shows both as one text.
        """
        problems = error.problems if isinstance(error, ConfigError) else ()
        if self.nagios:
            from dkimctl.output.nagios import unknown_text

            hints = [f"hint: {error.hint}"] if error.hint else []
            message, *more = (masked(self.typed(text)) for text in (error.message, *problems, *hints))
            self._out(unknown_text(message, more))
            return
        self.failure(error)
        value = {
            "message": error.message,
            "hint": error.hint,
            "exit_code": error.exit_code,
            "problems": list(problems),
        }
        self.document("error", value)

    def usage(self, text: str) -> None:
        """Print the help of a command that was typed without its arguments."""
        self._err(text + "\n")

    def _out(self, text: str) -> None:
        with self.writing(nothing_else=True):
            sys.stdout.write(text)

    @contextmanager
    def writing(self, *, nothing_else: bool = False) -> Iterator[None]:
        """Turn a full disk into a DiskError; BrokenPipeError passes through to the caller.

        `nothing_else`: the block only writes to stdout, so that every error is about that.
        """
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            if not nothing_else and error.errno not in _FULL:
                raise
            self.abandon()
            raise DiskError(
                f"cannot write the output: {reason(error)}", hint="check where stdout is redirected to"
            ) from error

    def _line(self, kind: str, text: str) -> None:
        prefix = "dkimctl: " if kind == "note" else f"dkimctl: {kind}: "
        message = masked(self.typed(text)).translate(OF_MESSAGES)
        try:
            if is_screen(sys.stderr):
                _show_message(kind, prefix, message)
            else:
                sys.stderr.write(f"{prefix}{message}\n")
        except OSError:
            self.abandon(sys.stderr)  # nobody reads it any more

    def _err(self, text: str) -> None:
        try:
            sys.stderr.write(text)
        except OSError:
            self.abandon(sys.stderr)


def _show_message(kind: str, prefix: str, message: str) -> None:
    from dkimctl.output.layout import Prose, Tone
    from dkimctl.output.screen import show

    tone = Tone.FAINT if kind == "note" else Tone(kind)
    show([Prose(message, prefix, len(prefix), tone)], sys.stderr)


def _without_secrets(block: "Block") -> "Block":
    from dkimctl.output.layout import Made, Prose, Table

    if isinstance(block, Table):
        rows = block.rows
        return block._replace(rows=Made(len(rows), lambda: ([masked(cell) for cell in row] for row in rows)))
    if isinstance(block, Prose):
        return block._replace(text=masked(block.text), label=masked(block.label))
    return block._replace(text=masked(block.text))


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def is_screen(stream: TextIO) -> bool:
    """Return True when the stream is a terminal that can be laid out for."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
