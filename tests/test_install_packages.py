"""`tests/install-packages` installs daemons, and the machine starts with what it started with before."""

import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests.box import run_in_box
from tests.conftest import REPOSITORY, needs

pytestmark = [
    needs(root=True, namespaces=True),
    pytest.mark.skipif(not (which("apt-get") and which("systemctl")), reason="a Debian with systemd"),
]

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
INSTALL = f"sh {REPOSITORY}/tests/install-packages"
WANTS = "/etc/systemd/system/multi-user.target.wants"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a daemon that is enabled as it is installed, and an argument that makes this fail."""
    tree = tmp_path / "tree"
    for name, text in {
        "DEBIAN/control": "Package: brought\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.test>\nDescription: x\n",
        "DEBIAN/postinst": "#!/bin/sh\nsystemctl enable brought.service\n[ ! -e /fail ] || kill -9 $(cat /fail)\n",
        "usr/lib/systemd/system/brought.service": UNIT,
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    (tree / "DEBIAN/postinst").chmod(0o755)
    tree.chmod(0o755)
    subprocess.run(["dpkg-deb", "-b", str(tree), str(tmp_path / "brought.deb")], check=True, capture_output=True)
    return tmp_path / "brought.deb"


def in_box(script: str) -> str:
    """What a script prints in a copy of this machine; it must succeed."""
    ended = run_in_box("sh", "-euc", f"export DKIMCTL_TEST_NOTE=/note; rm -f /usr/sbin/policy-rc.d\n{script}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_what_is_brought_is_not_enabled(package: Path) -> None:
    """The daemon is installed and off; what was enabled before still is, and no trace of the note is left."""
    in_box(
        f"ls {WANTS} | sort >before; {INSTALL} {package}; dpkg -s brought; test ! -e {WANTS}/brought.service\n"
        f"ls {WANTS} | sort | diff before -; test ! -e /note; test ! -e /usr/sbin/policy-rc.d"
    )


def test_a_killed_run_is_made_good_by_the_next(package: Path) -> None:
    """After kill -9 between the installation and the end the note is there, and the next run restores from it."""
    in_box(
        f"{INSTALL} {package} & echo $! >/fail; wait || :; test -e /note; test -e {WANTS}/brought.service; rm /fail\n"
        f"{INSTALL} coreutils; test ! -e {WANTS}/brought.service; test ! -e /note; test ! -e /usr/sbin/policy-rc.d"
    )
