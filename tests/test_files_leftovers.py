"""What killed runs leave under temporary names: removed by the next run, and nothing that another one still needs."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dkimctl import files
from dkimctl.files import folder, temporary
from dkimctl.files.temporary import is_left, temporary_name
from tests.conftest import REPOSITORY, needs

MAKERS = {
    "a file": "with open_folder(place) as f, f.temporary(0o600, None): wait()",
    "a file that replaces another": "with files.staged_file(place / 'there', b'new') as s: s.put(); wait()",
    "a removal": "with files.staged_removal(place / 'there') as s: s.put(); wait()",
    "a directory": "os.rmdir = lambda *a, **k: wait(); files.make_directory(place / 'made', mode=0o700)",
    "a directory without its name": (
        "folder.rename_new = lambda *a: wait(); files.make_directory(place / 'made', mode=0o700)"
    ),
}
"""Each kind of temporary name, and how one comes to be while someone waits."""
_SCRIPT = """
import os, sys, time
from pathlib import Path
from dkimctl import files
from dkimctl.files import folder, open_folder
place = Path(sys.argv[1])
def wait():
    print("waiting", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _each_looks() -> None:
    folder._tidied.clear()


def started(place: Path, kind: str) -> "subprocess.Popen[str]":
    """A process that has made a temporary name of this kind, and waits."""
    command = [sys.executable, "-c", _SCRIPT + MAKERS[kind], str(place)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    return process


def temporary_in(place: Path) -> list[str]:
    """The temporary names in a directory."""
    return [name for name in os.listdir(place) if name.startswith(temporary.TEMPORARY_PREFIX)]


@pytest.mark.parametrize("kind", MAKERS)
def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, kind: str) -> None:
    """While the process lives its temporary name stays; once it is killed, the next write in the directory ends it."""
    (tmp_path / "there").write_text("old")
    process = started(tmp_path, kind)
    files.write_file(tmp_path / "other", b"")
    assert len(temporary_in(tmp_path)) == 1
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder._tidied.clear()
    files.write_file(tmp_path / "other", b"")
    assert temporary_in(tmp_path) == []


@pytest.mark.parametrize("act", ["make_directory", "locked", "folder_locked", "tidy"])
def test_each_step_towards_a_write_looks(tmp_path: Path, act: str) -> None:
    """Also where all is done already, and nothing is written: the directory above, one that is locked, a backup."""
    place = tmp_path / "below" if act == "tidy" else tmp_path
    place.mkdir(exist_ok=True)
    process = started(place, "a file")
    process.kill()
    process.communicate()
    (tmp_path / "there").mkdir()
    if act == "make_directory":
        files.make_directory(tmp_path / "there", mode=0o700)
    elif act == "tidy":
        files.tidy(tmp_path, below=True)
    else:
        with (files.locked if act == "locked" else files.folder_locked)(tmp_path):
            pass
    assert temporary_in(place) == []


def test_who_cannot_be_seen_counts_as_dead_after_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of another boot, of another container, or of a version without a process in its names."""
    for name in (".dkimctl-01234567-1-0123456789abcdef", ".dkimctl-0123456789abcdef"):
        (tmp_path / name).write_text("")
        status = (tmp_path / name).stat()
        assert not is_left(name, status)
        monkeypatch.setattr(temporary, "_OLD", -10)
        assert is_left(name, status)
        monkeypatch.undo()
    assert not is_left(temporary_name(), status)
    assert not is_left(".dkimctl-notes", status)


def test_without_proc_nobody_is_called_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a boot and a container have no mark, a process number says nothing."""
    monkeypatch.setattr(temporary, "_mark", lambda: "00000000")
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)
    assert not is_left(temporary_name(), tmp_path.stat())


def test_a_directory_with_something_in_it_is_not_removed(tmp_path: Path) -> None:
    """Only what dkimctl makes in such a directory, another one that is empty, goes with it."""
    process = started(tmp_path, "a directory without its name")
    process.kill()
    process.communicate()
    (aside,) = temporary_in(tmp_path)
    (inner,) = os.listdir(tmp_path / aside)
    (tmp_path / aside / inner / "precious").write_text("")
    files.write_file(tmp_path / "other", b"")
    assert (tmp_path / aside / inner / "precious").exists()


def test_what_cannot_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The change counts all the same; the old file that lies beside it is named."""

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    (tmp_path / "there").write_text("old")
    with files.staged_file(tmp_path / "there", b"new") as staged:
        staged.put()
        monkeypatch.setattr(os, "unlink", fails)
    (left,) = temporary_in(tmp_path)
    assert (tmp_path / "there").read_text() == "new"
    assert f"{tmp_path}/{left} could not be removed" in caplog.text


@needs(root=True)
def test_root_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    """Names that someone planted in a directory of theirs: they are removed, and what they lead to stays."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("precious")
    place = tmp_path / "theirs"
    place.mkdir()
    os.chown(place, 4242, 4242)
    names = [f".dkimctl-{temporary._mark()}-{dead.pid:x}-{number:016x}" for number in range(4)]
    (place / names[0]).symlink_to(tmp_path / "victim")
    os.mkfifo(place / names[1])
    os.link(tmp_path / "victim/file", place / names[2])
    (place / names[3]).mkdir()
    os.chown(place / names[3], 4242, 4242)
    (place / names[3] / "full").mkdir()
    files.write_file(place / "other", b"")
    assert sorted(os.listdir(place)) == [names[3], "other"]
    assert (tmp_path / "victim/file").read_text() == "precious"
