"""Locks that another user can hold, and scratch directories of runs that were killed."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dkimctl import files
from dkimctl.errors import Unavailable
from dkimctl.files import Folder, file_locked, lock
from dkimctl.files.run_directory import RUN_DIRECTORY
from tests.clocks import ManualClock
from tests.conftest import REPOSITORY, needs

OTHER = 4242
Lock = Callable[..., AbstractContextManager[None]]
pytestmark = needs(root=True)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of another user's, as that of the daemon's keys is."""
    place = tmp_path / "keys"
    place.mkdir(mode=0o755)
    os.chown(place, OTHER, OTHER)
    return place


def clock() -> ManualClock:
    """Time that passes by sleeping."""
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@contextmanager
def held_by_other_user(path: Path) -> Iterator[int]:
    """A process of another user's holds a lock on `path`; its number."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    with subprocess.Popen(
        ["flock", f"/proc/self/fd/{descriptor}", "sh", "-c", "echo; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[descriptor],
        user=OTHER,
        group=OTHER,
        extra_groups=[],
    ) as process:
        os.close(descriptor)
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


@pytest.mark.parametrize(("take", "name"), [(files.locked, ".lock"), (files.folder_locked, "")])
def test_root_does_not_wait_for_a_lock_that_another_user_keeps(
    directory: Path, take: Lock, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It goes on after a few seconds and says who holds the lock; its own runs still take turns."""
    time = clock()
    began = time.monotonic()
    with held_by_other_user(directory / name) as holder, take(directory, clock=time):
        assert time.monotonic() - began < lock.ROOTS_PATIENCE + 1
        assert f"(process {holder}) holds" in caplog.messages[-1]
        with pytest.raises(Unavailable, match="is in use by"), take(directory, clock=time):
            pass


@pytest.mark.parametrize("take", [files.locked, files.folder_locked])
def test_root_waits_for_root_where_nobody_else_can_lock(tmp_path: Path, take: Lock) -> None:
    """In a directory that only root can open a held lock is waited for, and never passed over."""
    (tmp_path / "ours").mkdir(mode=0o700)
    descriptor = os.open(tmp_path / "ours", os.O_RDONLY)
    with take(tmp_path / "ours"):
        pass
    if take is files.locked:
        os.close(descriptor)
        descriptor = os.open(tmp_path / "ours/.lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    time = clock()
    with pytest.raises(Unavailable, match="is in use by"), take(tmp_path / "ours", clock=time, patience=60):
        pass
    os.close(descriptor)


def test_a_lock_file_that_is_taken_away_lets_nobody_in(directory: Path) -> None:
    """The directory's owner removes the lock file while root holds it: another run of root's still waits."""
    with files.locked(directory):
        (directory / ".lock").unlink()
        with pytest.raises(Unavailable, match="is in use by"), files.locked(directory, clock=clock()):
            pass
    with files.locked(directory):
        pass


def test_roots_locks_leave_nothing_behind(directory: Path) -> None:
    """Root's own lock is a file that is there only while it is held, also when what is done under it fails."""
    status = directory.stat()
    own = RUN_DIRECTORY / "locks" / f"{status.st_dev:x}-{status.st_ino:x}"
    with pytest.raises(ZeroDivisionError), files.locked(directory):
        assert own.exists()
        raise ZeroDivisionError
    assert not own.exists()


# --- scratch directories

HOLDER = """
import os, sys
from dkimctl.files import scratch_directory
with scratch_directory("test") as place:
    (place / "secret").write_text("s")
    print(place, flush=True)
    input()
"""


def start() -> tuple["subprocess.Popen[str]", Path]:
    """A run that has a scratch directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: "subprocess.Popen[str]", number: int) -> None:
    """Kill it and wait for it."""
    process.send_signal(number)
    process.communicate()


def test_what_a_killed_run_left_is_removed_and_what_a_running_one_has_is_not() -> None:
    """After kill -9 the next run removes the scratch directory; that of a run that still lives stays."""
    (killed, old), (living, other) = start(), start()
    end(killed, signal.SIGKILL)
    with files.scratch_directory("test") as place:
        assert place.is_dir()
        assert not old.exists()
        assert (other / "secret").read_text() == "s"
    living.communicate("\n")
    assert not other.exists()


def test_a_leftover_in_which_a_process_works_stays_until_it_has_ended() -> None:
    """Daemons that a killed run has started keep their directory, unless the next run ends them."""
    killed, old = start()
    end(killed, signal.SIGKILL)
    worker = subprocess.Popen(["sleep", "60"], cwd=old)
    with files.scratch_directory("other"):
        assert old.exists()
    with files.scratch_directory("test", stop=lambda place: worker.kill()):
        assert not old.exists()
    worker.wait()


def test_a_lock_file_that_cannot_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was done under the lock is done: no error follows it, and none of the block is hidden by one."""

    def fail(folder: Folder, name: str) -> bool:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "main.cf.tmp"
    monkeypatch.setattr(Folder, "remove", fail)
    with file_locked(path):
        pass
    with pytest.raises(ZeroDivisionError), file_locked(path):
        _ = 1 / 0
    assert caplog.messages == [f"{path} could not be removed: input/output error"] * 2
