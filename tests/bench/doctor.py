"""How long `doctor` takes for many domains, and how much memory:  python tests/bench/doctor.py [DKIMCTL]

The host is a tree below a scratch directory: every domain has a key file of its own, a KeyTable row and two
SigningTable rows. Run as root, every key is opened as the daemon's user as well; otherwise that part is left out.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Claim, command, interleaved, report

DOMAINS = 10_000
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


def make_tree(root: Path, count: int) -> None:
    """A host with so many domains."""
    etc = root / "etc"
    (etc / "opendkim/keys").mkdir(parents=True)
    (root / "var/spool/postfix/opendkim").mkdir(parents=True)
    for name, text in ACCOUNTS.items():
        (etc / name).write_text(text)
    (etc / "opendkim.conf").write_text(CONF)
    pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    names = [f"d{n}.example" for n in range(count)]
    for name in names:
        directory = etc / "opendkim/keys" / name
        directory.mkdir(mode=0o700)
        private = directory / "mail.private"
        private.write_bytes(pem)
        private.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(directory, 3103, 3107)
            os.chown(private, 3103, 3107)
    rows = (f"mail.{n} {n}:mail:/etc/opendkim/keys/{n}/mail.private\n" for n in names)
    (etc / "opendkim/KeyTable").write_text("".join(rows))
    (etc / "opendkim/SigningTable").write_text("".join(f"{n} mail.{n}\n.{n} mail.{n}\n" for n in names))


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "root"
        make_tree(root, DOMAINS)
        expect = 1 if os.geteuid() == 0 else 3  # its socket's directory belongs to the caller, not to the daemon
        run = command(options.dkimctl, "doctor", "--root", str(root), expect=expect)
        seconds = interleaved({"doctor": run}, rounds=options.rounds)["doctor"]
    mebibytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    claims = [
        Claim(f"doctor on {DOMAINS} domains, whole process", 3.0, seconds, unit=" s"),
        Claim(f"doctor on {DOMAINS} domains, memory", 100, mebibytes, unit=" MiB"),
    ]
    return report("doctor", claims)


if __name__ == "__main__":
    sys.exit(main())
