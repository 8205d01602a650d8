"""A whole host below a directory: accounts, opendkim, Postfix, keys with their owners; sound until a test breaks it.

Owners other than root need root. `doctor --root` reads such a tree, `namespace` shows it to the real programs.
"""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from dkimctl.keys.pair import Algorithm, KeyPair, generate

LONG_AGO = 1_700_000_000
OPENDKIM, POSTFIX, NOBODY, STAFF = (3103, 3107), (3102, 3105), (65534, 65534), (3200, 3200)
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
postfix:x:3102:3105::/var/spool/postfix:/usr/sbin/nologin
opendkim:x:3103:3107::/run/opendkim:/usr/sbin/nologin
alice:x:3200:3200::/home/alice:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
GROUP = """\
root:x:0:
adm:x:4:
mail:x:8:
postfix:x:3105:
postdrop:x:3108:
opendkim:x:3107:
alice:x:3200:
shared:x:3300:alice
nogroup:x:65534:
"""
UNIT = """\
[Unit]
Description=OpenDKIM Milter

[Service]
Type=forking
PIDFile=/run/opendkim/opendkim.pid
ExecStart=/usr/sbin/opendkim
ExecReload=/bin/kill -USR1 $MAINPID
Restart=on-failure
"""
CONF = """\
Syslog              yes
SyslogSuccess       yes
LogWhy              yes
UserID              opendkim:opendkim
UMask               007
PidFile             /run/opendkim/opendkim.pid
Socket              local:/var/spool/postfix/opendkim/opendkim.sock
Mode                s
Canonicalization    relaxed/simple
SignatureAlgorithm  rsa-sha256
OversignHeaders     From
KeyTable            file:/etc/opendkim/KeyTable
SigningTable        file:/etc/opendkim/SigningTable
InternalHosts       file:/etc/opendkim/TrustedHosts
"""
MAIN = """\
compatibility_level = 3.6
myhostname = relay.example.com
mydestination =
inet_interfaces = all
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_milters = unix:opendkim/opendkim.sock
non_smtpd_milters = $smtpd_milters
milter_default_action = tempfail
"""
CONF_PATH, KEYS, SIGNING, HOSTS = (
    "/etc/opendkim.conf",
    "/etc/opendkim/KeyTable",
    "/etc/opendkim/SigningTable",
    "/etc/opendkim/TrustedHosts",
)
MAIN_PATH, MASTER_PATH = "/etc/postfix/main.cf", "/etc/postfix/master.cf"
KEY = "/etc/opendkim/keys/example.com/mail.private"
SCAN = "/etc/postfix/scan"
"""The program of a pipe(8) content filter."""
DROP_IN = "/etc/systemd/system/opendkim.service.d/override.conf"


@cache
def key_pair(algorithm: str = "rsa", bits: int = 2048) -> KeyPair:
    """A key pair, the same each time: making one takes a tenth of a second."""
    return generate(Algorithm(algorithm), bits)


def _postdrop() -> int:
    """The group that sendmail(1) of this machine has: it belongs to none in the tree else."""
    try:
        return os.stat("/usr/sbin/postdrop").st_gid
    except OSError:
        return 3108


class Tree:
    """A sound host below `root`; every path is as the host's own programs see it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(mode=0o755, exist_ok=True)
        for place, mode in (("/etc", 0o755), ("/tmp", 0o1777), ("/home/alice", 0o755), ("/run", 0o755)):
            self.directory(place, mode)
        self.write("/etc/passwd", PASSWD)
        self.write("/etc/group", GROUP.replace("postdrop:x:3108", f"postdrop:x:{_postdrop()}"))
        self.write("/lib/systemd/system/opendkim.service", UNIT)
        self.write(CONF_PATH, CONF)
        self.write(KEYS, f"mail._domainkey.example.com example.com:mail:{KEY}\n")
        self.write(SIGNING, "example.com mail._domainkey.example.com\n.example.com mail._domainkey.example.com\n")
        self.write(HOSTS, "127.0.0.1\n::1\n127.0.0.0/8\n")
        self.directory("/etc/opendkim/keys/example.com", 0o700, OPENDKIM)
        self.key(KEY)
        self.directory("/run/opendkim", 0o750, OPENDKIM)
        self._postfix()

    def _postfix(self) -> None:
        self.write(MAIN_PATH, MAIN)
        master = Path("/usr/share/postfix/master.cf.dist")
        text = master.read_text() if master.exists() else ""
        # in a chroot, as Debian 12 and 13 have it; sid has not
        self.write(MASTER_PATH, re.sub(r"(?m)^((?:smtp +inet|cleanup +unix) +n +- +)n", r"\1y", text))
        self.directory("/var/spool/postfix", 0o755)
        self.directory("/var/spool/postfix/opendkim", 0o2750, (OPENDKIM[0], POSTFIX[1]))

    def at(self, path: str) -> Path:
        """Where it lies on this disk."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str | bytes, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
        """Replace a file."""
        target = self.at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.change(path, mode, owner)

    def append(self, path: str, text: str) -> None:
        """Add lines at the end."""
        with self.at(path).open("a") as stream:
            stream.write(text)
        self._age(self.at(path))

    def swap(self, path: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        target = self.at(path)
        content = target.read_text()
        assert old in content, (path, old)
        target.write_text(content.replace(old, new))
        self._age(target)

    def _age(self, path: Path) -> None:
        # Postfix waits up to two seconds before it reads a file that has just been changed
        os.utime(path, (LONG_AGO, LONG_AGO))

    def conf(self, name: str, value: str | None) -> None:
        """Set a parameter of opendkim.conf; None removes it."""
        lines = [line for line in self.at(CONF_PATH).read_text().splitlines() if line.split()[:1] != [name]]
        self.at(CONF_PATH).write_text("\n".join([*lines, *([f"{name} {value}"] if value is not None else [])]) + "\n")

    def main(self, name: str, value: str) -> None:
        """Set a parameter of main.cf."""
        lines = [line for line in self.at(MAIN_PATH).read_text().splitlines() if line.split()[:1] != [name]]
        self.at(MAIN_PATH).write_text("\n".join([*lines, f"{name} = {value}"]) + "\n")
        self._age(self.at(MAIN_PATH))

    def directory(self, path: str, mode: int, owner: tuple[int, int] = (0, 0)) -> None:
        """Make a directory."""
        self.at(path).mkdir(parents=True, exist_ok=True)
        self.change(path, mode, owner)

    def change(self, path: str, mode: int, owner: tuple[int, int] | None = None) -> None:
        """Set mode and owner."""
        if owner is not None and os.geteuid() == 0:
            os.chown(self.at(path), *owner)
        self.at(path).chmod(mode)
        self._age(self.at(path))

    def key(
        self, path: str, content: bytes | None = None, mode: int = 0o600, owner: tuple[int, int] = OPENDKIM
    ) -> None:
        """Write a private key."""
        self.write(path, key_pair().private_pem if content is None else content, mode, owner)

    def move_key(self, path: str) -> None:
        """Have the KeyTable name another path, with a sound key there."""
        self.key(path)
        self.swap(KEYS, KEY, path)

    def copy_postfix_files(self) -> None:
        """Copy what the real Postfix wants beside main.cf; sid's has it in /usr/share/postfix."""
        for name in ("postfix-files", "dynamicmaps.cf"):
            if (file := Path("/etc/postfix", name)).exists():
                shutil.copy(file, self.at("/etc/postfix"))

    def namespace(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a shell script where the tree's /etc, /run, /home and spool are this machine's."""
        self.copy_postfix_files()
        self.directory("/var/lib/postfix", 0o755, POSTFIX)
        places = ("/etc", "/home", "/run", "/var/spool/postfix", "/var/lib/postfix")
        binds = [f"mount --bind {self.at(place)} {place}" for place in places]
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", " && ".join([*binds, f"cd /; {script}"])],
            capture_output=True,
            text=True,
            timeout=60,
        )
