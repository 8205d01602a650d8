"""Files change whole or not at all, with their owner and mode before their content."""

import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dkimctl import files
from dkimctl.errors import DiskError, Refused, UsageError
from dkimctl.owners import find_owner
from tests.conftest import REPOSITORY, needs


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_file_is_replaced_with_its_mode_and_nothing_else_is_left(tmp_path: Path) -> None:
    """A write leaves exactly the new file, whatever the umask says."""
    path = tmp_path / "table"
    path.write_text("old")
    before = os.umask(0o077)
    try:
        files.write_file(path, [b"new ", b"content"], mode=0o644)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"new content"
    assert mode(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_existing_file_is_never_overwritten_by_create(tmp_path: Path) -> None:
    """What must be new is refused when it is there, and stays as it was."""
    path = tmp_path / "key"
    path.write_text("precious")
    with pytest.raises(Refused, match="never overwritten"):
        files.create_file(path, b"new")
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_private_file_is_never_readable_by_others_not_even_empty(tmp_path: Path) -> None:
    """While the content is being written, the temporary file already has mode 0600."""
    seen: list[int] = []

    def content() -> list[bytes]:
        seen.extend(mode(entry) for entry in tmp_path.iterdir())
        return [b"secret"]

    class Lazily:
        def __iter__(self):
            return iter(content())

    files.create_file(tmp_path / "key", Lazily(), mode=0o600)
    assert seen == [0o600]


def test_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    """An exception half-way through the content changes nothing."""
    path = tmp_path / "table"
    path.write_text("old")

    def content():
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match="no space left"):
        files.write_file(path, content())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@needs(root=True, namespaces=True)
def test_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    """On a file system without room the error says so, exit code 3, and the old content stays."""
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from dkimctl.files import write_file
        from dkimctl.errors import DiskError
        path = Path(sys.argv[1]) / "table"
        path.write_text("old")
        try:
            write_file(path, b"x" * 1_000_000)
        except DiskError as error:
            print(error.message, error.exit_code, path.read_text(), len(list(path.parent.iterdir())))
        """
    )
    shell = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell, "sh", str(tmp_path), sys.executable, script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert "no space left on device 3 old 1" in ended.stdout, ended.stderr


KILLED_WRITER = """
import os, sys
from pathlib import Path
from dkimctl import files
step, path = int(sys.argv[1]), Path(sys.argv[2])
count = 0
def counted(function):
    def call(*arguments, **named):
        global count
        count += 1
        if count == step:
            os.kill(os.getpid(), 9)
        return function(*arguments, **named)
    return call
for name in ("open", "fchmod", "fchown", "fsync", "rename", "link", "unlink", "close", "fdopen"):
    setattr(os, name, counted(getattr(os, name)))
files.write_file(path, b"new" * 1000, mode=0o600)
print("finished")
"""


def test_kill_at_every_system_call_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    """SIGKILL before each step of a write: the file is whole, old or new, and the next write succeeds."""
    for step in range(1, 40):
        path = tmp_path / f"table{step}"
        path.write_bytes(b"old")
        ended = subprocess.run(
            [sys.executable, "-c", KILLED_WRITER, str(step), str(path)],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert path.read_bytes() in (b"old", b"new" * 1000)
        files.write_file(path, b"again")
        assert path.read_bytes() == b"again"
        if ended.returncode == 0:
            assert step > 5
            return
        assert ended.returncode == -9, ended.stderr
    pytest.fail("the write never ended")


def test_directory_gets_its_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    """A new directory has exactly the mode asked for; one that exists keeps its own."""
    made = tmp_path / "a" / "b"
    assert files.make_directory(made, mode=0o700) is True
    assert mode(made) == 0o700
    assert mode(made.parent) == 0o755
    made.chmod(0o711)
    assert files.make_directory(made, mode=0o700) is False
    assert mode(made) == 0o711


@pytest.mark.parametrize("bits", [0o777, 0o757, 0o1777])
def test_key_directory_that_others_can_write_is_refused(tmp_path: Path, bits: int) -> None:
    """A key is not put where others could swap it, not even in a sticky directory of its own."""
    tmp_path.chmod(bits)
    with pytest.raises(Refused, match="can be written by other users"):
        files.refuse_shared_directory(tmp_path, files.caller())


def test_directory_below_one_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """The whole path counts: a safe directory below an open one is not safe."""
    inner = tmp_path / "open" / "keys"
    inner.mkdir(parents=True)
    inner.chmod(0o700)
    inner.parent.chmod(0o777)
    with pytest.raises(Refused, match="/open can be written by other users"):
        files.refuse_shared_directory(inner, files.caller())


@needs(root=True)
def test_directory_of_another_user_or_group_is_refused(tmp_path: Path) -> None:
    """A directory that another user owns, or another group may write, is no place for a key."""
    os.chown(tmp_path, 65534, -1)
    with pytest.raises(Refused, match="belongs to another user"):
        files.refuse_shared_directory(tmp_path, files.caller())
    os.chown(tmp_path, 0, 65534)
    tmp_path.chmod(0o770)
    with pytest.raises(Refused, match="can be written by group 65534"):
        files.refuse_shared_directory(tmp_path, files.caller())


@pytest.mark.parametrize("text", ["no-such-user-here", "root:no-such-group-here", "4242424242", ""])
def test_owner_that_does_not_exist_is_a_usage_error(text: str) -> None:
    """An unknown user or group is named, exit code 2."""
    with pytest.raises(UsageError, match=r"no such (user|group)"):
        find_owner(text)


def test_owner_by_name_and_by_number_is_the_same() -> None:
    """Users and groups may be given either way."""
    by_name, by_number = find_owner("root:root"), find_owner("0:0")
    assert (by_name.uid, by_name.gid) == (by_number.uid, by_number.gid) == (0, 0)


def test_lock_makes_two_processes_take_turns(tmp_path: Path) -> None:
    """What one process does under the lock is finished before the other starts."""
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from dkimctl.files import locked
        directory = Path(sys.argv[1])
        for _ in range(20):
            with locked(directory):
                count = int((directory / "count").read_text())
                time.sleep(0.001)
                (directory / "count").write_text(str(count + 1))
        """
    )
    (tmp_path / "count").write_text("0")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    assert (tmp_path / "count").read_text() == "40"
