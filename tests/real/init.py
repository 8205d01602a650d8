"""The first process of a namespace: mounts what must not be this machine's own, then stays until its input ends.

Run by machine.py as `unshare --mount --pid --fork python init.py DIRECTORY COMMANDS`. Prints its own process id.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

BOUND = {
    "etc": "/etc",
    "spool": "/var/spool/postfix",
    "lib": "/var/lib/postfix",
    "backups": "/var/backups",
    "state": "/var/lib/dkimctl",
    "dev": "/dev",
}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def mount(*arguments: object) -> None:
    """mount(8); it must succeed."""
    subprocess.run(["mount", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def main(directory: Path, commands: str) -> None:
    """Become the machine below `directory`; the shell commands prepare it first."""
    subprocess.run(["sh", "-c", commands], check=True, stdin=subprocess.DEVNULL)
    process = Path("/proc/self").readlink()  # as the outside counts: the new /proc comes later
    for name in DEVICES:
        (directory / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", directory / "dev" / name)
    os.makedirs(BOUND["state"], exist_ok=True)  # to have a place to mount at
    for source, target in BOUND.items():
        mount("--rbind", directory / source, target)
    (directory / "dev/fd").symlink_to("/proc/self/fd")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    os.mkdir("/run/opendkim", 0o750)  # as the package's tmpfiles.d does at boot
    shutil.chown("/run/opendkim", "opendkim", "opendkim")
    mount("-t", "proc", "proc", "/proc")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # daemons become children of process 1: let the kernel reap them
    print(process, flush=True)
    sys.stdin.read()


main(Path(sys.argv[1]), sys.argv[2])
