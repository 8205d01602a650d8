"""`dkimctl demo`: everything shown, everything proven, nothing left behind."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.cli.demo_scenes import SCENES, configure, make_a_key, publish_the_record, see_it_in_dns, sign_a_message
from dkimctl.cli.demo_stage import DOMAIN, Stage, set_the_stage
from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import CheckFailed
from dkimctl.sandbox import Sandbox, Switches
from tests.conftest import REPOSITORY, Dkimctl, Scratch, needs
from tests.reachable import reachable_for_all


def test_every_proof_holds(dkimctl: Dkimctl) -> None:
    """The demo ends with exit 0, shows every scene in 80 columns, and leaves nothing behind."""
    run = dkimctl("demo")
    assert run.code == 0, run.err
    assert run.err == ""
    assert [f"{number:>2}. " in run.out for number in range(1, len(SCENES) + 1)] == [True] * len(SCENES)
    assert max(len(line.replace(str(dkimctl.scratch.home), "/tmp")) for line in run.out.splitlines()) <= 80
    assert list(dkimctl.scratch.home.iterdir()) == []


def test_shows_the_truncated_record_and_its_cure(dkimctl: Dkimctl) -> None:
    """It names the lengths of a record that a service cut, as the API's reading back and as verify-dns find it."""
    (trap,) = [scene for scene in dkimctl("demo", "--json").json["scenes"] if "trap" in scene["title"]]
    assert any(line.startswith("publish: the record came back truncated: 255 of") for line in trap["proof"])
    assert any(line.startswith("verify-dns") and "255" in line for line in trap["proof"])


def test_keeps_its_directory_when_asked(dkimctl: Dkimctl) -> None:
    """With --keep the relay's files stay, keys with the modes shown."""
    run = dkimctl("demo", "--keep")
    assert run.code == 0
    (directory,) = dkimctl.scratch.home.iterdir()
    (private,) = directory.glob("etc/opendkim/keys/*/*.private")
    assert private.stat().st_mode & 0o777 == 0o600
    assert (directory / "etc/opendkim.conf").is_file()


def test_nothing_around_it_steers_it(dkimctl: Dkimctl) -> None:
    """A real account, another configuration, a proxy or a missing home in the environment change nothing."""
    around = {
        "OVH_ENDPOINT": "ovh-eu",
        "OVH_APPLICATION_KEY": "real",
        "OVH_APPLICATION_SECRET": "real",
        "OVH_CONSUMER_KEY": "real",
        "DKIMCTL_CONFIG": "/nonexistent",
        "DKIMCTL_NAMESERVERS": "192.0.2.1",
        "HOME": "/nonexistent",
        "http_proxy": "http://192.0.2.1:3128",
        "HTTP_PROXY": "http://192.0.2.1:3128",
    }
    run = dkimctl("demo", env=around)
    assert run.code == 0, run.err


@needs(namespaces=True)
def test_says_where_it_cannot_work(scratch: Scratch) -> None:
    """On a full disk it says what it could not write and what to do, with exit 3, and leaves nothing."""
    full = "mount -t tmpfs -o size=20k tmpfs /mnt; head -c 8k /dev/zero > /mnt/full;"
    end = 'TMPDIR=/mnt "$0" -m dkimctl demo; code=$?; ls /mnt; exit $code'
    ended = run(["unshare", "-m", "sh", "-c", f"{full} {end}", sys.executable], scratch.environment())
    assert ended.returncode == 3
    assert ended.stderr.startswith("dkimctl: error: cannot ")
    assert "dkimctl: hint: " in ended.stderr
    assert ended.stdout.splitlines()[-1] == "full"


@needs(root=True, namespaces=True)
def test_runs_as_an_ordinary_user(scratch: Scratch) -> None:
    """It needs no root and no home."""
    environment = scratch.environment({"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"})
    as_nobody = f'{reachable_for_all()}\nexec runuser -u nobody -- "$@"'
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o1777)
        environment["TMPDIR"] = directory
        ended = run(
            ["unshare", "-m", "sh", "-c", as_nobody, "sh", sys.executable, "-m", "dkimctl", "demo"], environment
        )
        assert list(Path(directory).iterdir()) == []
    assert ended.returncode == 0, ended.stderr


@needs(namespaces=True)
def test_runs_where_neither_opendkim_nor_postfix_is_installed(scratch: Scratch) -> None:
    """Without them it signs by dkimpy and says so; the other proofs are the same."""
    hide = "for p in opendkim postconf; do f=$(command -v $p) && mount --bind /dev/null $f; done;"
    ended = run(
        ["unshare", "-m", "sh", "-c", f'{hide} exec "$0" -m dkimctl demo', sys.executable], scratch.environment()
    )
    assert ended.returncode == 0, ended.stderr
    assert "signed by dkimpy, because opendkim is not installed" in ended.stdout
    assert "Postfix is not installed here" in ended.stdout


def run(command: list[str], environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run it from the repository, where the package is found."""
    return subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def cutting_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose account cuts every long record."""
    with Sandbox(zones=[DOMAIN], switches=Switches(truncate_txt=True, truncate_dkim=True)) as sandbox:
        yield set_the_stage(tmp_path, sandbox, SYSTEM_CLOCK)


def test_a_proof_that_does_not_hold_ends_it(cutting_stage: Stage) -> None:
    """Each scene really looks: with an account that cuts records, publishing, DNS and signing are refused."""
    make_a_key(cutting_stage)
    for play in (publish_the_record, see_it_in_dns):
        with pytest.raises(CheckFailed):
            play(cutting_stage)


def test_a_signature_without_its_record_is_no_proof(cutting_stage: Stage) -> None:
    """A message is signed only when its signature verifies with what DNS serves."""
    make_a_key(cutting_stage)
    configure(cutting_stage)
    with pytest.raises(CheckFailed, match="no key record at its name"):
        sign_a_message(cutting_stage)
