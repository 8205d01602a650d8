"""What the daemon's user can write is not believed: links, paths, pipes and holes in its key directory."""

import json
import os
import shlex
import shutil
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dkimctl.config.settings import KeyDefaults, Settings, Signing
from dkimctl.errors import DkimctlError, Refused
from dkimctl.files import Owner
from dkimctl.install.write import install, remove_leftovers
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Phase, Tags, new_metadata, to_json
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.opendkim.named_keys import named_keys
from dkimctl.signers.desired import desired
from dkimctl.signers.key_copies import derived_key
from dkimctl.signers.rendered import SigningKey
from dkimctl.signers.rspamd.rendering import KEYS, OLD_KEYS
from tests.conftest import Run, needs

DAEMON = Owner(65534, 65534, "nobody:nogroup")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
PAIR = generate(Algorithm.ED25519)
pytestmark = needs(root=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree whose daemon has a user of its own."""
    return Settings(root=tmp_path / "tree", keys=KeyDefaults(owner=DAEMON.label))


def store_of(settings: Settings) -> KeyDirectory:
    """Its keys."""
    return KeyDirectory(
        settings.key_directory, shown=settings.paths.keys, owner=DAEMON, named=lambda: named_keys(settings)
    )


def key_of(settings: Settings, domain: str = "example.com") -> Path:
    """A key that was made as it should be; the path of its private half."""
    store = store_of(settings)
    store.create(domain, "s1", PAIR, b"record\n", new_metadata("ed25519", 256, Tags(), NOW))
    return settings.at(f"{settings.paths.keys}/{domain}/s1.private")


def secret(settings: Settings) -> Path:
    """A private key of root's that is none of the daemon's business."""
    path = settings.at("/etc/ssl/private/tls.key")
    path.parent.mkdir(parents=True)
    path.write_bytes(generate(Algorithm.ED25519).private_pem)
    path.chmod(0o600)
    return path


PLANTS = {
    "a link": lambda path, victim: path.symlink_to(victim),
    "a hard link": lambda path, victim: os.link(victim, path),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a directory": lambda path, _: path.mkdir(),
    "a hole of 4 TB": lambda path, _: (path.touch(), os.truncate(path, 4 << 40)),
    "an endless device": lambda path, _: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
}


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("suffix", [".private", ".json"])
def test_planted_file_is_not_read(settings: Settings, plant: str, suffix: str) -> None:
    """Neither as a key nor as metadata nor for a copy, and at once."""
    path, victim = key_of(settings).with_suffix(suffix), secret(settings)
    path.unlink()
    PLANTS[plant](path, victim)
    with pytest.raises(DkimctlError) as refused:
        (key,) = store_of(settings).keys("example.com")
        store_of(settings).load(key)
    assert str(path) in refused.value.message
    if suffix == ".private":
        content = derived_key(
            settings, "/x", SigningKey("example.com", "s1", str(path)[len(str(settings.root)) :], True)
        )
        with pytest.raises(DkimctlError):
            b"".join(content.content)


def test_path_in_metadata_is_believed_only_with_roots_table(settings: Settings) -> None:
    """The daemon's user names root's key in its own `.json`: refused, until root's KeyTable names the same file."""
    path, victim = key_of(settings), secret(settings)
    shown = "/etc/ssl/private/tls.key"
    planted = new_metadata("ed25519", 256, Tags(), NOW)._replace(path=shown)
    path.with_suffix(".json").write_bytes(to_json(planted))
    with pytest.raises(Refused, match="no table of root's does"):
        store_of(settings).keys("example.com")
    table = settings.at(f"{settings.paths.opendkim_directory}/KeyTable")
    table.write_text(f"k example.com:s1:{shown}\n")
    (key,) = store_of(settings).keys("example.com")
    assert key.path == shown
    assert store_of(settings).load(key).private_pem == victim.read_bytes()
    os.chown(table, DAEMON.uid, DAEMON.gid)
    with pytest.raises(Refused, match="no table of root's does"):
        store_of(settings).keys("example.com")


def test_link_that_root_made_where_only_root_writes_is_followed(settings: Settings) -> None:
    """A linked key directory, and a linked key in a directory of root's, are legitimate."""
    path = key_of(settings)
    moved = settings.at("/srv/keys")
    moved.parent.mkdir()
    path.parent.rename(moved)
    path.parent.symlink_to("/srv/keys")
    os.chown(moved, 0, 0)
    (moved / "s1.private").rename(settings.at("/srv/key"))
    (moved / "s1.private").symlink_to("/srv/key")
    (key,) = store_of(settings).keys("example.com")
    assert store_of(settings).load(key) == PAIR


# --- what an interrupted run left


def test_directory_that_the_daemon_cannot_pass_is_put_right(settings: Settings) -> None:
    """Killed between mkdir and chown, an earlier version left root's directory: the next key gives it to the daemon."""
    directory = settings.at(f"{settings.paths.keys}/example.com")
    directory.mkdir(parents=True, mode=0o700)
    path = key_of(settings)
    assert (path.parent.stat().st_uid, path.stat().st_uid) == (DAEMON.uid, DAEMON.uid)


def test_key_that_the_daemon_cannot_read_is_named(settings: Settings) -> None:
    """`--if-missing` does not call a key there that the daemon cannot read."""
    path = key_of(settings)
    os.chown(path, 0, 0)
    (key,) = store_of(settings).keys("example.com")
    with pytest.raises(Refused, match="nobody:nogroup cannot read it") as refused:
        store_of(settings).settle(key)
    assert f"chown -h nobody:nogroup {path}" in refused.value.hint


def test_second_name_of_a_key_is_found_by_the_next_run(settings: Settings) -> None:
    """A kill between link and unlink leaves a second name of a private key: the same command again removes it."""
    path = key_of(settings)
    os.link(path, path.parent / ".dkimctl-0123456789")
    (key,) = store_of(settings).keys("example.com")
    store_of(settings).settle(key)
    assert sorted(os.listdir(path.parent)) == [".lock", "s1.json", "s1.private", "s1.txt"]


ODD = (
    "a\nevil IN A 192.0.2.6 ;",
    "x;id",
    "\x1b[31mred",
    "a b",
    "--help",
    "@",
    "*",
    "$TTL",
    'q"x',
    "a(b",
    "\\120",
    "\u202ex",
)


@pytest.mark.parametrize("odd", ODD)
def test_names_that_are_none_are_passed_over(settings: Settings, odd: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who makes a key's file or directory chooses no line of a zone file, of a table or of the terminal."""
    path = key_of(settings)
    for place in (settings.key_directory / odd / "s1", path.parent / odd, settings.key_directory / "flat"):
        place.parent.mkdir(exist_ok=True)
        shutil.copy(path, f"{place}.private")
    noted = odd if len(odd.split()) == 1 else "x;"  # a blank ends the name there
    (settings.key_directory / "flat.txt").write_text(f"; ----- DKIM key flat for {noted}")
    store = store_of(settings)
    assert [key.selector for domain in store.domains() for key in store.keys(domain)] == ["s1"]
    assert "is no name of a domain or a selector" in caplog.text
    assert all(line.isprintable() for line in caplog.text.splitlines())
    assert "\nevil" not in caplog.text


def test_metadata_keeps_its_owner(settings: Settings) -> None:
    """A later command that records something in `.json` keeps its read permissions."""
    path = key_of(settings).with_suffix(".json")
    (key,) = store_of(settings).keys("example.com")
    KeyDirectory(settings.key_directory, shown=settings.paths.keys).advance(key, Phase.PUBLISHED, NOW)
    assert path.stat().st_uid == DAEMON.uid
    assert json.loads(path.read_text())["phase"] == "published"


# --- copies for a daemon that reads keys as its own user


def rspamd_tree(settings: Settings) -> Settings:
    """The same host with rspamd, whose user owns /var/lib/rspamd."""
    home = settings.at("/var/lib/rspamd")
    home.mkdir(parents=True)
    os.chown(home, DAEMON.uid, DAEMON.gid)
    return Settings(
        root=settings.root, keys=settings.keys, signing=Signing(signer="rspamd", socket="inet:11332@localhost")
    )


def test_link_in_the_place_of_old_copies_changes_no_owner(settings: Settings) -> None:
    """`_rspamd` plants /var/lib/rspamd/dkimctl → /etc: root's files keep their owner, the copies lie below root's."""
    key_of(settings)
    settings = rspamd_tree(settings)
    etc = settings.at("/etc")
    link = settings.at(OLD_KEYS)
    link.symlink_to("/etc")
    os.chown(link, DAEMON.uid, DAEMON.gid, follow_symlinks=False)
    before = etc.stat()
    installed = install(desired(settings, store_of(settings)), settings, now=NOW)
    remove_leftovers(installed, settings)
    assert (etc.stat().st_uid, etc.stat().st_mode) == (before.st_uid, before.st_mode)
    place = settings.at(KEYS)
    assert (place.stat().st_uid, place.stat().st_gid, stat.S_IMODE(place.stat().st_mode)) == (0, DAEMON.gid, 0o750)
    assert [path.stat().st_uid for path in place.iterdir()] == [DAEMON.uid]


def test_old_copies_are_taken_over(settings: Settings) -> None:
    """Copies where an earlier version kept them go once the daemon reads the new ones; other files stay."""
    key_of(settings)
    settings = rspamd_tree(settings)
    old = settings.at(OLD_KEYS)
    old.mkdir()
    os.chown(old, DAEMON.uid, DAEMON.gid)
    for name in ("s1._domainkey.example.com.key", "s9._domainkey.example.org.key", "mine"):
        (old / name).write_text("x")
    installed = install(desired(settings, store_of(settings)), settings, now=NOW)
    remove_leftovers(installed, settings)
    assert sorted(os.listdir(old)) == ["mine", "s9._domainkey.example.org.key"]
    assert os.listdir(settings.at(KEYS)) == ["s1._domainkey.example.com.key"]


# --- genkey -D


def test_genkey_below_another_users_directory_makes_nothing(tmp_path: Path, dkimctl: Run) -> None:
    """Someone who owns a directory above could swap the key: refused before the first directory is made."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 5555, 5555)
    ran = dkimctl("genkey", "example.com", "-D", theirs / "keys")
    assert (ran.code, os.listdir(theirs)) == (1, [])
    assert "belongs to another user" in ran.err


# --- names


HOSTILE = "x;id>PWN;#"


@pytest.mark.parametrize("arguments", [("render-config",), ("record",), ("publish", "--provider", "manual")])
def test_hostile_names_come_out_quoted(settings: Settings, dkimctl: Any, arguments: tuple[str, ...]) -> None:
    """A name that the daemon's user gave a key or a directory does nothing when a hint is pasted into a shell."""
    path = key_of(settings)
    (path.parent / f"{HOSTILE}.private").write_text("no key")
    other = settings.at(f"{settings.paths.keys}/{HOSTILE}")
    other.mkdir()
    (other / "s.private").write_text("no key")
    ran = dkimctl(*arguments, "--root", settings.root)
    hints = [line for line in ran.err.splitlines() if "hint:" in line and HOSTILE in line]
    assert f"{HOSTILE} is no name of a domain or a selector" in ran.err
    for hint in hints:
        pasted = hint.rpartition(": ")[2]
        subprocess.run(["sh", "-n", "-c", pasted], check=True)
        assert any(HOSTILE in word for word in shlex.split(pasted, comments=True)), hint
