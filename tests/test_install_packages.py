"""`tests/install-packages` installs daemons, and the machine starts with what it started with before."""

from shutil import which

import pytest

from tests.box import run_in_box
from tests.conftest import REPOSITORY, needs

pytestmark = [
    needs(root=True, namespaces=True),
    pytest.mark.skipif(
        not (which("apt-get") and which("systemctl")), reason="a Debian with systemd is needed (apt-get, systemctl)"
    ),
]

UNIT = r"[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
INSTALL = f"sh {REPOSITORY}/tests/install-packages"
WANTS = "/etc/systemd/system/multi-user.target.wants"


MAKE = f"""
mkdir -p /brought/DEBIAN /brought/usr/lib/systemd/system
cat >/brought/DEBIAN/control <<'END'
Package: brought
Version: 1
Architecture: all
Maintainer: x <x@x.test>
Description: x
END
printf '{UNIT}' >/brought/usr/lib/systemd/system/brought.service
cat >/brought/DEBIAN/postinst <<'END'
#!/bin/sh
systemctl enable brought.service
[ ! -e /fail ] || kill -9 $(cat /fail)
[ ! -e /cut ] || {{ rm /cut; kill -9 $PPID; }}
/usr/sbin/policy-rc.d || echo $? >>/answered
END
chmod 755 /brought/DEBIAN/postinst
dpkg-deb -b /brought /brought.deb >/dev/null
"""
"""Makes a package; installing it enables its daemon, and kills the pid in /fail, or dpkg itself if /cut is there."""


def in_box(script: str) -> str:
    """What a script prints in a copy of this machine; it must succeed."""
    ended = run_in_box("sh", "-euc", f"export DKIMCTL_TEST_NOTE=/note; rm -f /usr/sbin/policy-rc.d\n{MAKE}{script}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_what_is_brought_is_not_enabled() -> None:
    """The daemon is installed and off; what was enabled before still is, and no trace of the note is left."""
    in_box(
        f"ls {WANTS} | sort >before; {INSTALL} /brought.deb; dpkg -s brought; test ! -e {WANTS}/brought.service\n"
        f"ls {WANTS} | sort | diff before -; test ! -e /note; test ! -e /usr/sbin/policy-rc.d"
    )


def test_a_killed_run_is_made_good_by_the_next() -> None:
    """After kill -9 between the installation and the end the note is there, and the next run restores from it."""
    in_box(
        f"{INSTALL} /brought.deb & echo $! >/fail; wait || :; test -e /note -a -e {WANTS}/brought.service; rm /fail\n"
        f"{INSTALL} coreutils; test ! -e {WANTS}/brought.service; test ! -e /note; test ! -e /usr/sbin/policy-rc.d"
    )


def test_an_interrupted_dpkg_is_made_good_by_the_next() -> None:
    """A package that was left half configured is configured first, with the policy that starts no daemon."""
    in_box(
        f"touch /cut; ! {INSTALL} /brought.deb; test -e /var/lib/dpkg/updates/0000\n"
        f"{INSTALL} coreutils; dpkg -s brought | grep 'Status: install ok installed'\n"
        f"test $(tail -n 1 /answered) = 101; test ! -e {WANTS}/brought.service; test ! -e /usr/sbin/policy-rc.d"
    )
