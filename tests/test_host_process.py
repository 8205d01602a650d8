"""Processes of this machine: whose files they read."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dkimctl.host.process import read_process
from tests.conftest import needs


@contextmanager
def waiting(script: str) -> Iterator[int]:
    """The process id of a shell in a mount namespace of its own, changed by a script.

    It waits by itself: a program that it became would have no command line for a moment.
    """
    command = ["unshare", "-m", "sh", "-c", f"{script} && echo ready && read -r line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process.pid
        finally:
            process.kill()


@needs(root=True, namespaces=True)
@pytest.mark.parametrize(
    ("script", "is_here"),
    [
        ("mount --make-rprivate / && mount --bind / /mnt && mount -o remount,bind,ro /mnt", True),
        ("mount --make-rprivate / && mount -t tmpfs tmpfs /var/tmp", True),
        ("mount --make-rprivate / && mount --bind {tmp} /etc", False),
    ],
)
def test_process_whose_files_are_ours_is_here(tmp_path: Path, script: str, is_here: bool) -> None:
    """A service that systemd lets write in few places only has mounts of its own, and reads this host's files."""
    with waiting(script.replace("{tmp}", str(tmp_path))) as pid:
        process = read_process(pid)
        assert process is not None
        assert process.is_here is is_here


@needs(root=True)
def test_process_whose_root_was_removed_is_not_here(tmp_path: Path) -> None:
    """A daemon that outlived its container: nothing that it read is there any more."""
    root = tmp_path / "root"
    root.mkdir()
    script = "import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        root.rmdir()
        found = read_process(process.pid)
        process.kill()
    assert found is not None
    assert not found.is_here
