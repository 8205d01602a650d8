"""Files of many directories changed together: a kill at any step leaves the old or the new, and nothing for ever."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dkimctl.errors import Refused
from dkimctl.files import Batch, Folder, batch, caller, open_folder, temporary
from dkimctl.keys.folders import DomainFolders

NEW = {"a.txt": b"record", "a.private": b"secret"}


@pytest.fixture(params=[0, 64], ids=["one syncfs", "an fsync each"])
def base(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with one directory in it; both ways to make a batch durable are tested."""
    monkeypatch.setattr(batch, "FEW", request.param)
    (tmp_path / "base/old").mkdir(parents=True, mode=0o700)
    (tmp_path / "base/old/a.txt").write_bytes(b"before")
    return tmp_path / "base"


@contextmanager
def opened(base: Path) -> Iterator[tuple[Batch, Folder]]:
    """A batch below it, and the directory that is there."""
    folders = DomainFolders(base)
    with (
        open_folder(base) as folder,
        open_folder(base / "old") as old,
        Batch(folder, folders.enter, caller()) as made,
    ):
        yield made, old


def content(base: Path) -> dict[str, bytes]:
    """All files below it."""
    return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}


def test_everything_is_in_place_only_after_put(base: Path) -> None:
    """Until then nothing has its name; afterwards nothing else is there. Files are 0600, directories 0700."""
    with opened(base) as (made, old):
        made.make("new", NEW)
        made.replace("old", old, {"a.txt": b"after", "b.txt": b"more"})
        assert content(base)["old/a.txt"] == b"before" and not (base / "new").exists()
        made.put()
    assert content(base) == {
        "new/a.private": b"secret",
        "new/a.txt": b"record",
        "old/a.txt": b"after",
        "old/b.txt": b"more",
    }
    assert sorted(os.listdir(base)) == ["new", "old"]
    for path in (base / "new", base / "new/a.private", base / "old/a.txt"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_what_was_not_put_is_taken_away(base: Path) -> None:
    """After an error the directory is as it was before, private keys under temporary names included."""
    with pytest.raises(ZeroDivisionError), opened(base) as (made, old):
        made.make("new", NEW)
        made.replace("old", old, {"a.txt": b"after"})
        raise ZeroDivisionError
    assert content(base) == {"old/a.txt": b"before"} and os.listdir(base) == ["old"]


def test_nothing_has_its_name_before_all_of_it_is_durable(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first rename every file was flushed: what a loss of power leaves is whole."""
    flushed: list[str] = []

    def fsync(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        assert content(base)["old/a.txt"] == b"before" or is_put

    def syncfs(folder: Folder) -> None:
        flushed.extend(str(path) for path in Path(folder.path).rglob("*"))
        assert content(base)["old/a.txt"] == b"before" or is_put

    is_put = False

    def rename(*arguments: object, **more: object) -> None:
        nonlocal is_put
        is_put = True
        assert {Path(name).name for name in flushed} >= {"a.private", "a.txt"}
        assert sum("old/.dkimctl-" in name for name in flushed) == 1
        real(*arguments, **more)  # type: ignore[arg-type]

    real = os.rename
    monkeypatch.setattr(batch.os, "fsync", fsync)
    monkeypatch.setattr(batch, "sync_file_system", syncfs)
    monkeypatch.setattr(batch.os, "rename", rename)
    monkeypatch.setattr(batch, "rename_new", lambda old, new, *at: rename(old, new, src_dir_fd=at[0], dst_dir_fd=at[1]))
    with opened(base) as (made, old):
        made.make("new", NEW)
        made.replace("old", old, {"a.txt": b"after"})
        made.put()
    assert is_put and flushed


def test_what_a_killed_run_has_left_goes_with_the_next(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also new directories that wait with private keys in them."""
    left = base / ".dkimctl-0123456789abcdef.batch"
    (left / "new").mkdir(parents=True)
    (left / "new/a.private").write_bytes(b"secret")
    left.chmod(0o700)
    monkeypatch.setattr(temporary, "_OLD", -9)
    with open_folder(base) as folder:
        folder.remove_leftovers()
    assert os.listdir(base) == ["old"]


def test_a_directory_that_came_meanwhile_is_not_replaced(base: Path) -> None:
    """Another user's directory stays as it is; the batch fails, and leaves nothing."""
    with pytest.raises(FileExistsError), opened(base) as (made, _):
        made.make("new", NEW)
        (base / "new").mkdir()
        made.put()
    assert sorted(os.listdir(base)) == ["new", "old"] and not list((base / "new").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root: a directory that belongs to another user")
def test_a_file_that_its_owner_swaps_is_noticed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another user can write, the file that got the name must be the one that was written."""
    os.chown(base / "old", 65534, 65534)
    real = os.rename

    def rename(old: str, new: str, **more: int) -> None:
        (base / "old/planted").write_bytes(b"planted")
        real("planted", old, **more)
        real(old, new, **more)

    with opened(base) as (made, old):
        made.replace("old", old, {"a.txt": b"after"})
        monkeypatch.setattr(batch.os, "rename", rename)
        with pytest.raises(Refused, match="was replaced by another program"):
            made.put()
        monkeypatch.undo()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root: a directory that belongs to another user")
def test_a_pipe_that_its_owner_puts_there_is_not_waited_for(base: Path) -> None:
    """Who owns a directory can put anything under a temporary name; opening a pipe to write waits for a reader."""
    os.chown(base / "old", 65534, 65534)
    with opened(base) as (made, old):
        made.replace("old", old, {"a.txt": b"after"})
        [waiting] = (base / "old").glob(".dkimctl-*")
        waiting.unlink()
        os.mkfifo(waiting)
        with deadline(), suppress(OSError, Refused):  # whether it is noticed depends on its inode's number
            made.put()


@contextmanager
def deadline(seconds: int = 10) -> Iterator[None]:
    """Fail instead of waiting for ever."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root: a directory that belongs to another user")
def test_new_directories_wait_in_ours_alone(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the directory above can swap the one in which new ones wait, before it is opened."""
    os.chown(base, 65534, 65534)
    real = os.mkdir

    def mkdir(name: str, mode: int, **more: int) -> None:
        real(name, mode, **more)
        os.chown(name, 65534, 65534, dir_fd=more["dir_fd"])

    monkeypatch.setattr(batch.os, "mkdir", mkdir)
    with pytest.raises(PermissionError), opened(base) as (made, _):
        made.make("new", NEW)
