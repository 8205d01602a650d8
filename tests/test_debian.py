"""The sources of the Debian package; `tests/release` builds it, installs it and takes it away again, in containers."""

import re
import subprocess
from pathlib import Path

import pytest

from dkimctl.version import VERSION
from tests.conftest import REPOSITORY

DEBIAN = REPOSITORY / "debian"


def test_the_package_has_the_version_of_the_program() -> None:
    """The first entry of debian/changelog is for this version; the release of Debian is appended while it is built."""
    first = (DEBIAN / "changelog").read_text().splitlines()[0]
    assert first.startswith(f"dkimctl ({VERSION}) ")
    assert "~deb$(shell" in (DEBIAN / "rules").read_text()


@pytest.mark.parametrize("script", ["dkimctl.postinst", "dkimctl.prerm", "dkimctl.postrm", "update-requirements"])
def test_scripts_are_shell(script: str) -> None:
    """A maintainer script with a mistake would leave a package half installed."""
    subprocess.run(["sh", "-n", str(DEBIAN / script)], check=True)


def test_nothing_of_the_mail_is_removed_with_the_package() -> None:
    """Purging deletes nothing itself: keys and the configuration of daemons are only named, and nothing is asked."""
    text = (DEBIAN / "dkimctl.postrm").read_text()
    assert not re.search(r"\b(rm|rmdir|unlink|find|mv|read|db_\w+)\b(?!.*echo)", re.sub(r"(?m)^#.*|echo .*", "", text))
    assert "/etc/opendkim/keys" in text


def test_purging_says_what_is_true(tmp_path: Path) -> None:
    """Silent where it was never used; what is left is named; that mail is signed only where a daemon is set up."""
    keys, conf = tmp_path / "etc/opendkim/keys", tmp_path / "etc/opendkim.conf"
    script = re.sub(r"(?<![\w/])/(?=etc|var)", f"{tmp_path}/", (DEBIAN / "dkimctl.postrm").read_text())

    def said() -> str:
        return subprocess.run(["sh", "-c", script, "sh", "purge"], check=True, capture_output=True, text=True).stdout

    conf.parent.mkdir()
    conf.write_text("#KeyFile /etc/dkimkeys/example.private\nSocket local:/run/opendkim/opendkim.sock\n")
    (tmp_path / "etc/dkimctl").mkdir()
    assert said() == ""
    keys.mkdir(parents=True)
    (keys / "example.com").mkdir()
    assert str(keys) in said() and "No daemon here is set up to sign mail." in said() and str(conf) not in said()
    conf.write_text("KeyTable refile:/etc/opendkim/KeyTable\n")
    assert "Mail is signed as before" in said() and str(conf) in said()


@pytest.mark.parametrize(
    "path", sorted(path for path in DEBIAN.iterdir() if path.is_file()), ids=lambda path: path.name
)
def test_no_address_of_an_index_is_named(path: Path) -> None:
    """Where packages come from is said by the configuration of pip and apt on the machine that builds."""
    named = set(re.findall(r"\w+://\S+", path.read_text()))
    assert named <= {"https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"}
