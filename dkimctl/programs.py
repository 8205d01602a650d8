"""Other programs of this machine: found, run with a list of arguments and never by a shell."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dkimctl.errors import Unavailable, reason

_PLACES = "/usr/local/sbin:/usr/sbin:/sbin"  # where daemons live; an ordinary user's PATH lacks them
_PATIENCE = 60.0  # seconds
_SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    """Its exit code; negative for the signal that ended it."""
    out: str
    err: str

    @property
    def last_word(self) -> str:
        """The last line that it wrote to stderr."""
        return (self.err.strip().splitlines() or [f"exit {self.code}"])[-1]


def find_program(name: str) -> str | None:
    """Where the program is, also where only root's PATH looks, or None."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + os.pathsep + _PLACES)


def has_systemd() -> bool:
    """True when systemd runs this machine."""
    return _SYSTEMD.is_dir()


def log_of(daemon: str, word: str = "") -> str:
    """The command that shows what a daemon logged, or only what it logged with `word`."""
    if has_systemd():
        return f"journalctl -u {daemon}" + (f" -g {word}" if word else "")
    return f"grep {word or daemon} /var/log/mail.log"


def run_program(name: str, *arguments: str, before: Sequence[str] = (), input: bytes | None = None) -> Ended:
    """Run it to its end, at most a minute; `before` is put in front, such as `runuser -u opendkim --`.

    `input` is what it reads from its stdin: nothing without.

    Raises Unavailable when it is not installed, cannot be started, or does not end.
    """
    program = find_program(name)
    if program is None:
        raise Unavailable(f"{name} is not installed", hint=f"install the package that holds it: apt-get install {name}")
    try:
        ended = subprocess.run(
            [*before, program, *arguments],
            input=input or b"",
            capture_output=True,
            timeout=_PATIENCE,
            cwd="/",
        )
    except OSError as error:
        raise Unavailable(f"cannot run {program}: {reason(error)}", hint=f"try it by hand: {program}") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{name} did not end within a minute", hint=f"try it by hand: {program}") from error
    out, err = (said.decode("utf-8", "backslashreplace") for said in (ended.stdout, ended.stderr))
    return Ended(ended.returncode, out, err)
