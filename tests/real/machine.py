"""A machine within the machine: real paths, owners and modes, and everything gone at the end.

A mount namespace holds a copy of /etc, an empty Postfix spool, /run, /var/backups and /dev; a process namespace ends
all daemons with its first process. Ports are shared with the outside, so tests talk to the daemons over loopback.
"""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import REPOSITORY
from tests.reachable import reachable_for_all
from tests.real.syslog import Syslog
from tests.schemas import assert_documents_valid

DISTRIBUTED = Path("/usr/share/postfix")
START = """
import os, sys, threading, time
from dkimctl.entry import main
from dkimctl.programs import search

if any(name.startswith("FAKETIME") for name in os.environ):
    time.sleep = threading.Event().wait  # libfaketime 0.9.10 refuses the system call by which Python sleeps
if place := sys.argv.pop(1):
    search.SYSTEM = (place, *search.SYSTEM)  # PATH has no say in what root runs
sys.exit(main())
"""


class Machine:
    """Use as a context manager; `run` is a command inside, `log` what its daemons logged."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = Syslog(directory / "dev/log")
        self.environment: dict[str, str] = {}
        self.programs = ""
        """A directory inside whose programs come before the system's: replacements, such as for systemctl."""

    def __enter__(self) -> Self:
        self._make_directories()
        self.log.start()
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        self._init = subprocess.Popen(
            [*unshare, sys.executable, Path(__file__).with_name("init.py"), self.directory, reachable_for_all()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout is not None
        self._process = self._init.stdout.readline().strip()
        assert self._process, "the namespace could not be made"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._init.communicate()  # its input ends, and with process 1 everything in the namespace
        self.log.stop()

    def run(
        self,
        *command: str,
        check: bool = True,
        user: str = "root",
        input: str | None = None,
        env: dict[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and return its output; with `check` it must succeed."""
        enter = ["nsenter", "--target", self._process, "--mount", "--pid", "--root", "--wd=/"]
        become = [] if user == "root" else ["runuser", "-u", user, "--"]
        ended = subprocess.run(
            [*enter, *become, *command],
            env={**self._clean_environment(), **self.environment, **(env or {})},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if check and ended.returncode != 0:
            raise AssertionError(f"{command} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}{self.log}")
        return ended

    def dkimctl(
        self, *arguments: str, check: bool = True, env: dict[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Run dkimctl inside, as root would type it a while later: postconf waits until main.cf is two seconds old.

        `before`: words before the command.
        """
        self.run("touch", "--date=@0", "/etc/postfix/main.cf")
        ended = self.run(*before, sys.executable, "-c", START, self.programs, *arguments, check=check, env=env)
        assert_documents_valid(arguments, ended.stdout)
        return ended

    def start_opendkim(self, *options: str) -> None:
        """Start the daemon; returns when it listens, and its pid file is there: its parent waits for neither."""
        self.log.lines.clear()
        self.run("opendkim", *options)
        self.log.wait_for("OpenDKIM Filter .* starting")

    def read(self, path: str) -> str:
        """A file of the machine, such as /etc/opendkim.conf."""
        return self.run("cat", path).stdout

    def write(self, path: str, content: str) -> None:
        """Write a file of the machine."""
        self.run("tee", path, input=content)

    def _clean_environment(self) -> dict[str, str]:
        path = os.environ["PATH"]
        return {"PATH": path, "HOME": "/root", "LANG": "C.UTF-8", "PYTHONPATH": str(REPOSITORY), "COLUMNS": "80"}

    def _make_directories(self) -> None:
        for name in ("spool", "lib", "backups", "state", "dev"):
            (self.directory / name).mkdir()
            (self.directory / name).chmod(0o755)
        subprocess.run(["cp", "-a", "/etc", self.directory / "etc"], check=True)
        os.chown(self.directory / "lib", pwd.getpwnam("postfix").pw_uid, -1)
        self._fresh_configuration()

    def _fresh_configuration(self) -> None:
        """Postfix as after its installation, and nothing of dkimctl, whatever this machine has."""
        etc = self.directory / "etc"
        for leftover in ("opendkim", "dkimctl"):
            shutil.rmtree(etc / leftover, ignore_errors=True)
        shutil.copy(DISTRIBUTED / "main.cf.debian", etc / "postfix/main.cf")
        shutil.copy(DISTRIBUTED / "master.cf.dist", etc / "postfix/master.cf")
