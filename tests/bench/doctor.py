"""How long `doctor` takes for many domains, and how much memory:  python tests/bench/doctor.py [DKIMCTL]

The hosts are trees below a scratch directory. In one every domain has a key file of its own, a KeyTable row and two
SigningTable rows; in the other both tables have a million rows, and a few key files serve them all. Run as root, every
key is opened as the daemon's user as well; otherwise that part is left out. Takes a minute.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from measure import Claim, report

DOMAINS, ROWS = 10_000, 1_000_000
KEYS = 8
CONF = """\
Syslog yes
LogWhy yes
UserID opendkim:opendkim
UMask 007
PidFile /run/opendkim/opendkim.pid
Socket local:/var/spool/postfix/opendkim/opendkim.sock
Mode s
KeyTable file:/etc/opendkim/KeyTable
SigningTable file:/etc/opendkim/SigningTable
"""
ACCOUNTS = {
    "passwd": "root:x:0:0::/:/bin/sh\nopendkim:x:3103:3107::/:/bin/sh\n",
    "group": "root:x:0:\nopendkim:x:3107:\n",
}


def make_host(root: Path) -> None:
    """A host without keys."""
    etc = root / "etc"
    (etc / "opendkim/keys").mkdir(parents=True)
    (root / "var/spool/postfix/opendkim").mkdir(parents=True)
    for name, text in ACCOUNTS.items():
        (etc / name).write_text(text)
    (etc / "opendkim.conf").write_text(CONF)


def make_keys(root: Path, names: list[str]) -> None:
    """A key file for each domain; among them some different keys."""
    pems = [subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout for _ in range(KEYS)]
    for number, name in enumerate(names):
        directory = root / "etc/opendkim/keys" / name
        directory.mkdir(mode=0o700)
        private = directory / "mail.private"
        private.write_bytes(pems[number % KEYS])
        private.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(directory, 3103, 3107)
            os.chown(private, 3103, 3107)


def make_tables(root: Path, count: int, keys: int, *, subdomains: bool) -> None:
    """Rows for so many domains, which share so many key files."""
    with (root / "etc/opendkim/KeyTable").open("w") as table:
        for n in range(count):
            table.write(f"mail.d{n}.example d{n}.example:mail:/etc/opendkim/keys/d{n % keys}.example/mail.private\n")
    with (root / "etc/opendkim/SigningTable").open("w") as table:
        for n in range(count):
            table.write(f"d{n}.example mail.d{n}.example\n")
            if subdomains:
                table.write(f".d{n}.example mail.d{n}.example\n")


def doctor(dkimctl: str, root: Path) -> tuple[float, float]:
    """Seconds and MiB of one run."""
    expect = 1 if os.geteuid() == 0 else 3  # its socket's directory belongs to the caller, not to the daemon
    start = time.perf_counter()
    process = os.posix_spawn(
        dkimctl,
        [dkimctl, "doctor", "--root", str(root)],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != expect:
        raise RuntimeError(f"dkimctl doctor: exit {os.waitstatus_to_exitcode(status)}, not {expect}")
    return seconds, usage.ru_maxrss / 1024


def many_domains(dkimctl: str, root: Path, rounds: int) -> list[Claim]:
    """Each with a key of its own."""
    make_host(root)
    make_keys(root, [f"d{n}.example" for n in range(DOMAINS)])
    make_tables(root, DOMAINS, DOMAINS, subdomains=True)
    runs = [doctor(dkimctl, root) for _ in range(1 + rounds)][1:]  # the first one fills the caches
    return [
        Claim(f"doctor on {DOMAINS} domains, whole process", 3, median(s for s, _ in runs), unit="s"),
        Claim(f"doctor on {DOMAINS} domains, memory", 100, max(m for _, m in runs), unit="MiB"),
    ]


def long_tables(dkimctl: str, root: Path) -> list[Claim]:
    """Both tables a million rows long."""
    make_host(root)
    make_keys(root, [f"d{n}.example" for n in range(KEYS)])
    make_tables(root, ROWS, KEYS, subdomains=False)
    seconds, mebibytes = doctor(dkimctl, root)
    return [
        Claim(f"doctor on KeyTable and SigningTable of {ROWS} rows", 10, seconds, unit="s"),
        Claim(f"doctor on KeyTable and SigningTable of {ROWS} rows, memory", 300, mebibytes, unit="MiB"),
    ]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        claims = many_domains(options.dkimctl, Path(directory) / "many", options.rounds)
        claims += long_tables(options.dkimctl, Path(directory) / "long")
    return report("doctor", claims)


if __name__ == "__main__":
    sys.exit(main())
