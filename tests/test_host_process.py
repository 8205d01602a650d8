"""Processes of this machine: whose files they read."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dkimctl.host.process import read_process
from tests.conftest import needs


@contextmanager
def sleeping(script: str) -> Iterator[int]:
    """The process id of a sleep in a mount namespace of its own, changed by a script."""
    command = ["unshare", "-m", "sh", "-c", f"{script} && echo ready && exec sleep 100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
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
    with sleeping(script.replace("{tmp}", str(tmp_path))) as pid:
        process = read_process(pid)
        assert process is not None
        assert process.is_here is is_here
