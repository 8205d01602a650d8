"""A throw-away copy of this machine: own mounts, processes and network over an overlay; nothing done in it stays."""

import os
import subprocess
from functools import cache

_SCRIPT = """
set -e
mount --make-rprivate /
box=$(mktemp -d)
mount -t tmpfs -o size=1g tmpfs "$box"
mkdir "$box/up" "$box/work" "$box/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$box/up",workdir="$box/work" "$box/root"
mount -t proc proc "$box/root/proc"
mount --rbind /dev "$box/root/dev"
ip link set lo up 2>/dev/null || true
exec chroot "$box/root" "$@"
"""


def run_in_box(*command: str, timeout: float = 600, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as root in a copy of this machine and return how it ended."""
    unshare = ["unshare", "-m", "-p", "-n", "-i", "--fork", "--kill-child"]
    return subprocess.run(
        [*unshare, "bash", "-c", _SCRIPT, "box", *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )


@cache
def box_works() -> bool:
    """True where such a copy can be made: root, and a file system that an overlay can lie over."""
    return os.geteuid() == 0 and run_in_box("test", "-d", "/etc").returncode == 0
