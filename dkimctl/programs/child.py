"""One program run to its end, with nothing of ours but its arguments and its input.

It has a session of its own without a terminal (a child of another user could type into root's shell by TIOCSTI
otherwise), an environment of a few fixed words (ours may hold secrets, and /proc shows it to the child's user), stdin
from /dev/null, and no descriptor of ours. It has to end in time, or its whole process group is killed. What a child of
another user leaves running in its group is killed in any case; what our own user's leaves, such as a daemon that a
reload command starts, goes on, and nobody waits for it.
"""

import os
import pwd
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable, reason, shell_word
from dkimctl.programs.identity import Identity
from dkimctl.programs.search import changeable_program, find_program, search_path

if TYPE_CHECKING:  # both are imported when the first child is started: every start of ours would pay for them
    import selectors
    import subprocess

PATIENCE = 60.0  # seconds
MOST = 16 << 20  # octets of output, on both streams together
_LOOK = 0.1  # seconds between two looks whether it has ended while something else keeps its output open
_PIECE = 1 << 16


class Ended(NamedTuple):
    """The result of a program that ended."""

    code: int
    """Its exit code; negative for the signal that ended it."""
    out: str
    err: str

    @property
    def last_word(self) -> str:
        """The last line that it wrote to stderr."""
        return (self.err.strip().splitlines() or [f"exit {self.code}"])[-1]


def run_program(
    name: str, *arguments: str, user: Identity | None = None, input: bytes | None = None, within: float = PATIENCE
) -> Ended:
    """Run it to its end, at most `within` seconds, in `/`; as another user only when we are root.

    Raises Unavailable when it is not installed, cannot be started, writes more than MOST, or does not end.
    """
    program = find_program(name)
    if program is None:
        raise _not_found(name)
    code, out, err = run_command([program, *arguments], name, user=user, input=input, within=within)
    return Ended(code, out.decode("utf-8", "backslashreplace"), err.decode("utf-8", "backslashreplace"))


def run_command(
    command: list[str], name: str, *, user: Identity | None = None, input: bytes | None = None, within: float = PATIENCE
) -> tuple[int, bytes, bytes]:
    """Run a program by its path, as `run_program` does; return its exit code, stdout and stderr."""
    child: subprocess.Popen[bytes] | None = None
    problem, code = None, 0
    try:
        with _interruptions_wait():
            child = _start(command, user, input)
        running = _Running(child, input or b"", SYSTEM_CLOCK.monotonic() + within)
        problem = running.collect()
    except OSError as error:
        raise Unavailable(f"cannot run {command[0]}: {reason(error)}", hint=f"try it by hand: {command[0]}") from error
    finally:
        if child is not None:
            code = _end(child, with_group=problem != "" or not (user is None or user.is_ours))
    if problem:
        raise Unavailable(f"{name} {problem}", hint=f"try it by hand: {command[0]}")
    return code, bytes(running.out), bytes(running.err)


@contextmanager
def _interruptions_wait() -> Iterator[None]:
    """Let a SIGINT that comes inside the block wait for its end: a child that is just starting would be forgotten."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(signal.SIGINT, came[0])


def _not_found(name: str) -> Unavailable:
    found = changeable_program(name)
    if found is None:
        return Unavailable(
            f"{name} is not installed", hint=f"install the package that holds it: apt-get install {name}"
        )
    path, node = found
    return Unavailable(
        f"{path} is not run as root: others can change {node}",
        hint=f"see who may write there: namei -l {shell_word(path)}",
    )


def environment(user: Identity | None = None) -> Mapping[str, str]:
    """Return what a child finds in its environment."""
    try:
        home = pwd.getpwuid(os.geteuid() if user is None else user.uid).pw_dir
    except KeyError:
        home = "/"
    return {"PATH": os.pathsep.join(search_path()), "LANG": "C.UTF-8", "HOME": home}


def _start(command: list[str], user: Identity | None, input: bytes | None) -> "subprocess.Popen[bytes]":
    import subprocess

    other = None if user is None or user.is_ours else user
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment(user),
        start_new_session=True,
        umask=0o022,
        user=None if other is None else other.uid,
        group=None if other is None else other.gid,
        extra_groups=None if other is None else other.groups,
    )


@dataclass(slots=True)
class _Running:
    """A child, what is to be written to it, and what it wrote so far."""

    child: "subprocess.Popen[bytes]"
    input: bytes
    deadline: float
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def collect(self) -> str:
        """Read and write until the child has ended. Returns what is wrong, or ""."""
        import selectors

        with selectors.DefaultSelector() as streams:
            self._register(streams)
            while True:
                has_ended = _has_ended(self.child)  # looked at first: what it wrote before can be read by then
                if has_ended and not streams.get_map():
                    return ""
                ready = streams.select(_LOOK)
                for key, _ in ready:
                    self._serve(streams, key)
                if len(self.out) + len(self.err) > MOST:
                    return f"wrote more than {MOST >> 20} MiB"
                if has_ended and not ready:
                    return ""  # what it left running keeps its output open
                if SYSTEM_CLOCK.monotonic() > self.deadline:
                    return "did not end in time"

    def _register(self, streams: "selectors.BaseSelector") -> None:
        from selectors import EVENT_READ, EVENT_WRITE

        assert self.child.stdout and self.child.stderr
        streams.register(self.child.stdout, EVENT_READ, self.out)
        streams.register(self.child.stderr, EVENT_READ, self.err)
        if self.child.stdin:
            os.set_blocking(self.child.stdin.fileno(), False)
            streams.register(self.child.stdin, EVENT_WRITE)

    def _serve(self, streams: "selectors.BaseSelector", key: "selectors.SelectorKey") -> None:
        if key.data is None:
            has_more = self._write(key.fd)
        else:
            piece = os.read(key.fd, _PIECE)
            key.data.extend(piece)
            has_more = bool(piece)
        if not has_more:
            streams.unregister(key.fileobj)
            if self.child.stdin and key.data is None:
                self.child.stdin.close()  # the child sees the end of its input

    def _write(self, descriptor: int) -> bool:
        """Write a piece of the input; return whether there is more."""
        try:
            written = os.write(descriptor, self.input[:_PIECE])
        except BrokenPipeError:  # it does not want all of it
            return False
        self.input = self.input[written:]
        return bool(self.input)


def _has_ended(child: "subprocess.Popen[bytes]") -> bool:
    """Return whether it has ended; it is not reaped yet, so that its number is not given to another process."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _end(child: "subprocess.Popen[bytes]", *, with_group: bool) -> int:
    """Let go of a child, after killing what is left of its group or not; return its exit code."""
    from subprocess import TimeoutExpired

    if with_group:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream:
            with suppress(OSError):
                stream.close()
    try:
        return child.wait(timeout=5)
    except TimeoutExpired:  # it waits in the kernel, and ends when that lets it
        return -signal.SIGKILL
