"""The permission walk beside the real daemon: both accept and refuse the same key files."""

import itertools
import os
import pwd
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.host.accounts import read_accounts
from dkimctl.host.file_access import open_results
from dkimctl.host.keysafety import Walk
from tests.conftest import needs
from tests.host_tree import key_pair

pytestmark = needs("opendkim", root=True)
OWNERS = ("opendkim:opendkim", "root:root", "root:opendkim", "nobody:nogroup", "opendkim:postfix", "opendkim:adm")
DIRECTORY_MODES = (0o700, 0o750, 0o755, 0o770, 0o775, 0o777, 0o1777, 0o2755, 0o711, 0o555, 0o757)
FILE_MODES = (0o600, 0o400, 0o640, 0o440, 0o660, 0o644, 0o604, 0o601, 0o622)
CASES = int(os.environ.get("DKIMCTL_TEST_CASES", "40"))


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory below which nothing is wrong yet."""
    directory = Path(tempfile.mkdtemp(prefix="dkimctl-test-", dir="/var/lib"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def signs(place: Path, key: Path) -> bool:
    """Does the daemon, as its own user, sign with this key?"""
    (place / "KeyTable").write_text(f"k example.com:s:{key}\n")
    (place / "SigningTable").write_text("example.com k\n")
    (place / "conf").write_text(f"Mode s\nKeyTable file:{place}/KeyTable\nSigningTable file:{place}/SigningTable\n")
    (place / "mail").write_text("From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\n\r\nx\r\n")
    command = ["runuser", "-u", "opendkim", "--", "opendkim", "-x", place / "conf", "-t", place / "mail"]
    return b"DKIM-Signature" in subprocess.run(command, capture_output=True, cwd="/").stdout


def test_same_verdict(place: Path) -> None:
    """For owners and modes of the file, its directory and the one above, and for links, the verdicts agree."""
    accounts = read_accounts(Path("/"))
    account = accounts.account("opendkim")
    assert account
    assert account.uid == pwd.getpwnam("opendkim").pw_uid
    shapes = list(itertools.product(OWNERS, DIRECTORY_MODES, OWNERS, FILE_MODES, (False, True)))
    agreed, safe = 0, 0
    for owner, mode, file_owner, file_mode, linked in random.sample(shapes, CASES):
        above, key = place / "above", place / "above/keys/mail.private"
        key.parent.mkdir(parents=True)
        key.write_bytes(key_pair().private_pem)
        for path, path_owner, path_mode in (
            (key, file_owner, file_mode),
            (random.choice((key.parent, above)), owner, mode),
        ):
            shutil.chown(path, *path_owner.split(":"))
            path.chmod(path_mode)
        used = place / "link" if linked else key
        if linked:
            used.symlink_to(key)
        [opened] = open_results(account, Path("/"), [str(used)])
        ours = opened == 0 and Walk(account, accounts).judge(str(used)) is None
        assert ours is signs(place, used), (owner, oct(mode), file_owner, oct(file_mode), linked)
        agreed, safe = agreed + 1, safe + ours
        shutil.rmtree(above)
        used.unlink(missing_ok=True)
    print(f"\nthe walk agrees with opendkim on {agreed} of {CASES} key files, {safe} of them safe")


def test_the_same_walk_below_a_root(tmp_path: Path) -> None:
    """Below --root the tree's own / is the top: what lies above it does not count, and links stay inside."""
    accounts = read_accounts(Path("/"))
    account = accounts.account("opendkim")
    assert account
    root = tmp_path / "root"
    (root / "keys").mkdir(parents=True)
    root.chmod(0o755)
    (root / "keys/mail.private").write_bytes(key_pair().private_pem)
    (root / "keys/mail.private").chmod(0o600)
    shutil.chown(root / "keys/mail.private", "opendkim", "opendkim")
    (root / "link").symlink_to("/keys/mail.private")
    walk = Walk(account, accounts, root)
    assert walk.judge("/keys/mail.private") is None
    assert walk.judge("/link") is None
    assert open_results(account, root, ["/link", "/keys", "/absent"]) == [0, -1, 2]
