"""The real program under strace: each call that changes the disk fails, or is the last thing that it does.

A `Case` is a command on a tree below `--root`. `count` says how many such calls it makes, `inject` has one of them
fail, in the program itself or in the postconf that it starts.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dkimctl.files.run_directory import RUN_DIRECTORY
from tests.conftest import REPOSITORY, Run

CALLS = {
    "write": ("write",),
    "fsync": ("fsync",),
    "rename": ("rename", "renameat", "renameat2"),
    "link": ("link", "linkat"),
    "unlink": ("unlink", "unlinkat", "rmdir"),
    "mkdir": ("mkdir", "mkdirat"),
    "chown": ("fchown", "fchownat", "chown", "lchown"),
    "chmod": ("fchmod", "fchmodat", "chmod"),
}
TRACED = tuple(name for names in CALLS.values() for name in names)
ERRORS = ("EIO", "ENOSPC", "EACCES", "EINTR")
KILL = "SIGKILL"
_TIMES = ("at", "created", "history", "synced")
_LINE = re.compile(r"^(\d+ +)?(\w+)\(")
Files = dict[str, tuple[bytes, int, int, int]]
"""Path below the root → content, mode, user and group."""


@dataclass(frozen=True)
class Fault:
    """One call that fails."""

    call: str
    number: int
    """From 1, among the calls of this name by this process."""
    kind: str
    """An errno's name, or SIGKILL."""
    in_child: bool = False
    """True for a call of postconf."""
    goes_on: bool = False
    """True when every later call of this name fails too: so does what is to put the files back."""

    @property
    def option(self) -> str:
        """What strace is told."""
        effect = f"signal={self.kind}" if self.kind == KILL else f"error={self.kind}"
        return f"inject={self.call}:{effect}:when={self.number}{'+' if self.goes_on else ''}"


@dataclass
class Case:
    """A command, the tree that it is run on, and what it makes of it."""

    name: str
    build: Callable[[Path], None]
    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()
    """The command that completes it; empty: the same one."""
    threads: bool = False
    """True when it writes in threads; they are run where they are started then, to be counted in one row."""
    keeps_copies: bool = True
    """True when whatever it changes has a copy below /var/backups."""
    removes: tuple[str, ...] = ()
    """Copies of keys that no daemon reads after it; none of them is kept."""
    undoes: bool = False
    """True when it takes away what the copies are for, and says so when it is done already."""
    is_noted: bool = False
    """True when it notes the time of what it does in the metadata of a key."""
    makes: tuple[str, ...] = ()
    """Parts of the paths of what each run makes again, so that its content differs."""
    ahead: tuple[str, ...] = ()
    """How the paths begin of what comes first, and of notes that come last: nothing signs by them."""
    code: int = 0
    """How it ends when it has done its work."""
    traced: tuple[str, ...] = TRACED
    """The calls that fail."""
    before: Files = field(default_factory=dict)
    after: Files = field(default_factory=dict)

    def prepare(self, place: Path) -> None:
        """Build the tree once, and note what the command makes of it."""
        self._pristine = place / "pristine"
        self.build(self._pristine)
        self.before = self.files(self._pristine)
        done = self.fresh(place / "done")
        ran = self.run(done)
        assert ran.code == self.code, ran.err
        self.after = self.files(done)

    def fresh(self, root: Path) -> Path:
        """A new copy of the tree."""
        for old in filter(Path.exists, (root, _temporary(root))):
            shutil.rmtree(old)
        subprocess.run(["cp", "-a", self._pristine, root], check=True)
        _temporary(root).mkdir()
        return root

    def files(self, root: Path) -> Files:
        """What there is to compare."""
        return files_of(root)

    def configuration(self, root: Path) -> str:
        """What the command's configuration says beyond the tree's own."""
        return ""

    def run(
        self,
        root: Path,
        *,
        again: bool = False,
        strace: tuple[str, ...] = (),
        child: tuple[str, ...] = (),
        one_thread: bool | None = None,
    ) -> Run:
        """Run the command, under strace where options for that are given; `child`: those for its postconf.

        `one_thread`: whether its threads are run where they are started; None: below strace, where it has some.
        """
        words = (self.again or self.arguments) if again else self.arguments
        arguments = [word.replace("ROOT", str(root)) for word in words]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "DKIMCTL_ROOT": str(root), "HOME": str(root)}
        environment["TMPDIR"] = str(_temporary(root))
        if child or self.configuration(root):
            environment["DKIMCTL_CONFIG"] = str(self._configured(root, child))
        traced = ["strace", "-qq", "-s", "0", *strace] if strace else []
        alone = self.threads and bool(strace) if one_thread is None else one_thread
        ended = subprocess.run(
            [*_beside_nobody(), *traced, sys.executable, "-m", "tests.one_thread" if alone else "dkimctl", *arguments],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Run(ended.returncode, ended.stdout, ended.stderr)

    def run_undo(self, root: Path) -> Run:
        """Run `adopt --undo` on the tree."""
        return Case("undo", self.build, ("adopt", "--undo"), undoes=True).run(root)

    def _configured(self, root: Path, options: tuple[str, ...]) -> Path:
        """A configuration; with options, its postconf is one under strace, where only root can write."""
        place = Path("/run") / f"dkimctl-tests-{os.getpid()}-{root.name}"
        place.mkdir(exist_ok=True)
        config = place / "dkimctl.toml"
        config.write_text((f'[paths]\nprograms = ["{place}"]\n' if options else "") + self.configuration(root))
        if options:
            self._wrap(place, options)
        return config

    @staticmethod
    def _wrap(place: Path, options: tuple[str, ...]) -> None:
        real, strace = shutil.which("postconf"), shutil.which("strace")
        script = place / "postconf"
        traced = f'exec {strace} -qq -s 0 {" ".join(options)} {real} "$@"'
        script.write_text(f'#!/bin/sh\ncase " $* " in\n*" -e "*) {traced} ;;\nesac\nexec {real} "$@"\n')
        script.chmod(0o755)

    def clean(self) -> None:
        """Remove what lies outside the test's own directory."""
        for place in Path("/run").glob(f"dkimctl-tests-{os.getpid()}-*"):
            shutil.rmtree(place)

    def count(self, root: Path, *, in_child: bool = False) -> Counter[str]:
        """How many calls of each name the command makes, or its postconf, as strace numbers them."""
        log, options = self._tracing(root)
        ran = self.run(root, child=options) if in_child else self.run(root, strace=options)
        assert ran.code == self.code, ran.err
        return _calls_in(log)

    def count_threads(self, root: Path) -> Counter[str]:
        """How many calls of each name the program makes as it is, in all its threads."""
        log, options = self._tracing(root, "execve")
        ran = self.run(root, strace=("-f", *options, "--signal=none"), one_thread=False)
        assert ran.code == self.code, ran.err
        return _calls_in(log) - Counter(execve=1)

    def _tracing(self, root: Path, *also: str) -> tuple[Path, tuple[str, ...]]:
        """A new copy of the tree; the log of the calls that will be made on it, and the options that write it."""
        log = root.parent / f"{root.name}.log"
        log.unlink(missing_ok=True)
        self.fresh(root)
        return log, ("-o", str(log), "-e", f"trace={','.join((*self.traced, *also))}")

    def inject(self, root: Path, fault: Fault) -> tuple[Run, int]:
        """How the command ends with this fault, and how many calls strace made fail."""
        log = root.parent / f"{root.name}.log"
        log.unlink(missing_ok=True)
        options = ("-o", str(log), "-e", f"trace={fault.call}", "-e", fault.option)
        self.fresh(root)
        ran = self.run(root, child=options) if fault.in_child else self.run(root, strace=options)
        text = log.read_text() if log.exists() else ""
        is_killed = KILL in text or ran.code in (-9, 137)  # strace does not always get to say it
        return ran, text.count("(INJECTED)") or int(fault.kind == KILL and is_killed)


def _temporary(root: Path) -> Path:
    """TMPDIR for a tree: what killed runs left in a shared one would be removed by this run, and counted."""
    return root.parent / f"{root.name}.tmp"


def _beside_nobody() -> list[str]:
    """Root's run directory for one program alone: it would remove what killed runs of other tests left there, too."""
    if os.geteuid() != 0:
        return []
    RUN_DIRECTORY.mkdir(mode=0o711, exist_ok=True)
    mount = f"mount -t tmpfs -o mode=711 none {RUN_DIRECTORY}"
    make = f"mkdir -m 711 {RUN_DIRECTORY}/scratch && mkdir -m 700 {RUN_DIRECTORY}/locks"
    return ["unshare", "--mount", "sh", "-c", f'{mount} && {make} && exec "$@"', "sh"]


def _calls_in(log: Path) -> Counter[str]:
    """Count the calls in a log; those of programs that the first one started are left out."""
    # a line that was interrupted by another thread is there twice: its second half has no name before the bracket
    lines = log.read_text().splitlines() if log.exists() else []
    found = [(match[1], match[2]) for match in filter(None, map(_LINE.match, lines))]
    started = {pid for pid, name in found[1:] if name == "execve" and pid != found[0][0]}
    return Counter(name for pid, name in found if pid not in started)


def files_of(root: Path) -> Files:
    """Every file that counts: no lock, nothing temporary, no copy; without times in what dkimctl notes."""
    found: Files = {}
    for path in sorted(root.rglob("*")):
        shown = f"/{path.relative_to(root)}"
        is_aside = path.name in (".lock", "main.cf.tmp") or "/.dkimctl-" in shown or shown.startswith("/var/backups/")
        if is_aside or path.is_symlink() or not path.is_file():
            continue
        status, content = path.stat(), path.read_bytes()
        found[shown] = (comparable(shown, content), status.st_mode & 0o7777, status.st_uid, status.st_gid)
    return found


def comparable(path: str, content: bytes) -> bytes:
    """A file's content without times, and main.cf's without the order in which postconf adds lines, which is chance."""
    if path.endswith("/fleet-tables.json"):
        return b""  # which file is which, on this disk
    if path.endswith(".json"):
        return json.dumps(_without_times(json.loads(content))).encode()
    return b"".join(sorted(content.splitlines(keepends=True))) if path.endswith("/main.cf") else content


def temporary_in(root: Path) -> list[str]:
    """Every file and directory below the root that still has a temporary name, and the lock of main.cf."""
    return sorted(str(path) for pattern in (".dkimctl-*", "main.cf.tmp") for path in root.rglob(pattern))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(item) for key, item in value.items() if key not in _TIMES}
    return value


def copies_in(root: Path) -> Iterator[tuple[str, bytes]]:
    """System path and content of every copy below /var/backups."""
    base = root / "var/backups/dkimctl"
    for place in base.glob("*T*Z*") if base.is_dir() else ():
        for path in place.rglob("*"):
            if path.is_file() and not path.name.startswith(".dkimctl-"):
                shown = f"/{path.relative_to(place)}"
                yield shown, comparable(shown, path.read_bytes())
