"""Installing: all or nothing, nothing when nothing changed, a copy of what was there, and whose file is whose."""

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import md5
from pathlib import Path, PurePosixPath

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import DiskError, Refused, UsageError
from dkimctl.install.compare import Change, Difference, compare
from dkimctl.install.unified import diff_lines
from dkimctl.install.write import Installed, install, remove_leftovers
from dkimctl.keys.metadata import Phase
from dkimctl.opendkim.managed_block import BEGIN
from dkimctl.signers.registry import signer_named
from tests.conftest import REPOSITORY, needs
from tests.rendering import (
    ARTICLE_CONF,
    NOW,
    manage,
    rendering_for,
    said,
    settings_for,
    store_for,
    text_of,
    tree,
    write,
)

CONF = "/etc/opendkim.conf"
OURS = "/etc/opendkim/dkimctl.conf"
FILES = {
    CONF,
    "/etc/opendkim/KeyTable",
    "/etc/opendkim/SigningTable",
    "/etc/opendkim/TrustedHosts",
    "/etc/tmpfiles.d/dkimctl.conf",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree with one managed domain and nothing installed."""
    settings = settings_for(tmp_path)
    manage(settings, "example.com")
    return settings


def put(settings: Settings) -> Installed:
    """Install what the tree should be told."""
    return install(rendering_for(settings), settings, now=NOW)


def test_a_fresh_tree_gets_everything(settings: Settings) -> None:
    """Files that the daemon can read after it gave up root, the socket's directory set-group-id, no backup."""
    installed = put(settings)
    assert {change.path for change in installed.changed.files} == FILES
    assert {change.change for change in installed.changed.files} == {Change.NEW}
    assert installed.backup == ""
    assert {settings.at(path).stat().st_mode & 0o777 for path in FILES} == {0o644}
    assert settings.at("/var/spool/postfix/opendkim").stat().st_mode & 0o7777 == 0o2750
    assert settings.at("/etc/tmpfiles.d/dkimctl.conf").read_text().splitlines()[-1] == (
        "d /var/spool/postfix/opendkim 2750 opendkim postfix - -"
    )


def test_the_second_time_nothing_is_touched(settings: Settings) -> None:
    """Not a byte, not a time stamp, no backup: safe to run every minute."""
    put(settings)
    before = tree(settings.root)
    installed = put(settings)
    assert installed.changed.is_empty
    assert installed.backup == ""
    assert tree(settings.root) == before
    assert compare(rendering_for(settings), settings).is_empty


def test_what_was_there_is_kept_in_a_backup(settings: Settings) -> None:
    """Only the files that change, with their content and mode, below one directory that nobody else can read."""
    put(settings)
    settings.at("/etc/opendkim/KeyTable").chmod(0o640)
    before = tree(settings.root)
    manage(settings, "example.org")
    installed = put(settings)
    kept = tree(settings.at(installed.backup))
    assert installed.backup == "/var/backups/dkimctl/20261123T100000Z"
    assert set(kept) == {"etc/opendkim/KeyTable", "etc/opendkim/SigningTable"}
    assert all(kept[name][:2] == before[name][:2] for name in kept)
    assert settings.at(installed.backup).stat().st_mode & 0o777 == 0o700
    manage(settings, "example.net")
    assert put(settings).backup == "/var/backups/dkimctl/20261123T100000Z-2"


def test_lines_of_people_stay_where_they_are(settings: Settings) -> None:
    """Above and below the managed lines, verbatim and in order, through any number of changes."""
    write(settings.root, "/etc/opendkim/SigningTable", "# mine\nvip@example.com  other \nexample.edu other")
    write(settings.root, "/etc/opendkim/KeyTable", "other example.edu:s:/k\n")
    put(settings)
    with settings.at("/etc/opendkim/SigningTable").open("a") as table:
        table.write("\texample.net other # below\n")
    manage(settings, "example.org")
    put(settings)
    text = settings.at("/etc/opendkim/SigningTable").read_text()
    assert text.startswith("# mine\nvip@example.com  other \nexample.edu other\n# BEGIN dkimctl")
    assert text.endswith("# END dkimctl\n\texample.net other # below\n")
    assert "\nexample.org example.org\n" in text


def test_modes_and_owners_of_an_admin_stay_while_the_daemon_can_read(settings: Settings) -> None:
    """A stricter mode is kept; one that would fail the next reload, or lets others write, is corrected."""
    put(settings)
    table = settings.at("/etc/opendkim/KeyTable")
    mine = replace(settings, keys=settings.keys._replace(owner=f"{os.geteuid()}:{os.getegid()}"))
    table.chmod(0o640)
    manage(settings, "example.org")
    put(mine)
    assert table.stat().st_mode & 0o777 == 0o640
    others = "65534:65534" if os.geteuid() != 65534 else "0:0"
    theirs = replace(settings, keys=settings.keys._replace(owner=others))
    put(theirs)
    for mode in (0o640, 0o646):
        table.chmod(mode)
        [change] = put(theirs).changed.files
        assert (change.path, change.change) == ("/etc/opendkim/KeyTable", Change.MODE)
        assert table.stat().st_mode & 0o777 == 0o644


def test_a_package_conf_that_nobody_edited_is_replaced(settings: Settings) -> None:
    """dpkg keeps the MD5 of the file it installed: while it fits, nobody's work is in there."""
    write(settings.root, CONF, "Syslog yes\n# the package's\n")
    digest = md5(settings.at(CONF).read_bytes(), usedforsecurity=False).hexdigest()
    status = f"Package: opendkim\nConffiles:\n {CONF} {digest}\n /etc/default/opendkim 0\n\n"
    write(settings.root, "/var/lib/dpkg/status", status)
    put(settings)
    assert "the package's" not in settings.at(CONF).read_text()
    assert not settings.at(OURS).exists()


def test_a_conf_that_a_person_wrote_is_kept_and_included_from(settings: Settings) -> None:
    """One Include as the last line, where it wins; our settings in their own file; a second run changes nothing."""
    write(settings.root, CONF, ARTICLE_CONF, mode=0o604)
    put(settings)
    assert settings.at(CONF).read_text() == f"{ARTICLE_CONF}Include {OURS}\n"
    assert settings.at(CONF).stat().st_mode & 0o777 == 0o604
    assert "Socket              local:/var/spool/postfix/opendkim/opendkim.sock\n" in settings.at(OURS).read_text()
    before = tree(settings.root)
    put(settings)
    assert tree(settings.root) == before


def test_our_own_conf_becomes_a_persons_when_it_is_edited(settings: Settings) -> None:
    """The file tells whether it is as we wrote it: an edit is kept, and from then on our settings are included."""
    put(settings)
    manage(settings, "example.org", algorithm="ed25519")
    put(settings)
    assert not settings.at(OURS).exists()
    with settings.at(CONF).open("a") as conf:
        conf.write("SubDomains yes\n")
    put(settings)
    assert settings.at(CONF).read_text().endswith(f"SubDomains yes\nInclude {OURS}\n")


def test_the_include_line_is_moved_after_settings_that_would_override_it(settings: Settings) -> None:
    """A setting after the Include would silently replace ours: the Include goes last again, once."""
    write(settings.root, CONF, f"Syslog yes\nInclude {OURS}\nSocket inet:1@localhost\n\n# the end\n")
    put(settings)
    assert settings.at(CONF).read_text() == f"Syslog yes\nSocket inet:1@localhost\n\n# the end\nInclude {OURS}\n"


def test_a_symbolic_link_is_not_replaced(settings: Settings) -> None:
    """A file kept elsewhere through a link stays there: the link is named, and nothing is half-done."""
    write(settings.root, "/srv/opendkim.conf", "Mode v\n")
    settings.at(CONF).symlink_to(settings.at("/srv/opendkim.conf"))
    before = tree(settings.root)
    with pytest.raises(Refused, match="is a symbolic link"):
        put(settings)
    assert tree(settings.root) == before


def test_a_socket_needs_a_directory_of_its_own(settings: Settings) -> None:
    """A directory with other things in it is not ours to give to the daemon: /run is never made 2750."""
    write(settings.root, "/run/other.pid", "1")
    with pytest.raises(UsageError, match="needs a directory of its own"):
        rendering_for(replace(settings, signing=settings.signing._replace(socket="local:/run/opendkim.sock")))


def test_a_refusal_before_the_switch_leaves_everything_as_it_was(settings: Settings) -> None:
    """When the dry run fails, no file has changed, no backup was made, and no temporary file is left."""
    write(settings.root, CONF, "Mode v\n")
    before = tree(settings.root)

    def refuse(staged: object) -> None:
        raise Refused("the daemon would not sign")

    with pytest.raises(Refused, match="would not sign"):
        install(rendering_for(settings), settings, now=NOW, before_switch=refuse)
    assert tree(settings.root) == before


def test_the_staged_files_can_be_read_before_the_switch(settings: Settings) -> None:
    """The dry run gets every file of the rendering as it will be, those that do not change as they are."""
    put(settings)
    manage(settings, "example.org")
    seen: dict[str, bytes] = {}
    rendering = rendering_for(settings)
    install(
        rendering,
        settings,
        now=NOW,
        before_switch=lambda staged: seen.update({p: f.read_bytes() for p, f in staged.items()}),
    )
    assert {path: content.decode() for path, content in seen.items()} == {
        f.path: text_of(rendering, f.path) for f in rendering.files
    }


def test_a_domain_that_left_loses_its_lines(settings: Settings) -> None:
    """When a domain's keys are gone or revoked its lines go too; the others keep theirs."""
    manage(settings, "example.org")
    put(settings)
    [key] = store_for(settings).keys("example.org")
    store_for(settings).advance(key, Phase.REVOKED, NOW)
    put(settings)
    for table in ("KeyTable", "SigningTable"):
        text = settings.at(f"/etc/opendkim/{table}").read_text()
        assert "example.org" not in text
        assert "example.com" in text
    assert "no key signs for example.org" in said(rendering_for(settings))


KILLER = """
import os, signal, sys
from dkimctl.entry import main
real = os.rename
def run(root, renames):
    left = renames
    def rename(source, target, **folders):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(source, target, **folders)
    os.utime(root + "/etc/postfix/main.cf", (0, 0))  # Postfix waits before it reads a file that has just changed
    child = os.fork()
    if child == 0:
        os.rename, sys.argv = rename, ["dkimctl", "render-config", "--install", "-q", "--root", root]
        os.dup2(2, 1)
        os._exit(main())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
for number, root in enumerate(sys.argv[1:]):
    print(run(root, number), run(root, 10**6), flush=True)
"""


@pytest.mark.long
@needs("postconf")
def test_killed_at_any_moment_the_same_command_completes_the_work(tmp_path: Path) -> None:
    """kill -9 before each change of a file, and again: the next run ends where an undisturbed one does."""
    roots = [tmp_path / str(number) for number in range(13)]
    for root in roots:
        root.mkdir()
        manage(settings_for(root), "example.com")
        write(root, CONF, ARTICLE_CONF.replace("8891", "12301"))
        write(root, "/etc/opendkim/KeyTable", "other example.edu:s:/k\n")
        write(root, "/etc/postfix/main.cf", "smtpd_milters = unix:a/b, inet:localhost:12301\n")
        write(root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    ended = subprocess.run(
        [sys.executable, "-c", KILLER, *roots],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    codes = [tuple(map(int, line.split())) for line in ended.stdout.splitlines()]
    assert codes[0] == (-9, 0)
    assert codes[-1] == (0, 0), "more renames than moments to be killed at"
    assert {second for _, second in codes} == {0}
    for root in roots:
        assert contents(root) == contents(roots[-1]), f"killed before rename {root.name}"
    assert b"smtpd_milters = unix:a/b, unix:opendkim/opendkim.sock\n" in contents(roots[0])["/etc/postfix/main.cf"]


def contents(root: Path) -> dict[str, bytes]:
    """The installed files."""
    names = [*FILES, OURS, "/etc/postfix/main.cf"]
    return {name: (root / name[1:]).read_bytes() for name in names if (root / name[1:]).is_file()}


@needs(namespaces=True)
def test_on_a_full_disk_nothing_is_half_done(tmp_path: Path) -> None:
    """ENOSPC while the new files are written: exit 3, every file as it was, nothing temporary left; then it works."""
    script = """
        set -e
        mount -t tmpfs -o size=200k tmpfs "$1"
        cp -a "$2/." "$1"
        dd if=/dev/zero of="$1/filler" bs=1k 2>/dev/null || true
        find "$1/etc" -type f -not -name .lock -exec md5sum {} + | sort > "$3/before"
        rc=0; "$4" -m dkimctl render-config --install --root "$1" || rc=$?
        find "$1/etc" -type f -not -name .lock -exec md5sum {} + | sort > "$3/after"
        cmp "$3/before" "$3/after"
        rm "$1/filler"
        "$4" -m dkimctl render-config --install -q --root "$1"
        "$4" -m dkimctl render-config --check -q --root "$1"
        exit $rc
    """
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    settings = settings_for(source)
    manage(settings, "example.com")
    write(source, CONF, ARTICLE_CONF + "# padding\n" * 1000)
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", target, source, tmp_path, sys.executable],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 3, ended.stderr
    assert "no space left on device" in ended.stderr
    assert BEGIN.decode() not in ended.stdout


@needs("postconf")
def test_when_postconf_fails_nothing_is_half_done(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """main.cf is changed before any file is: when that fails, nothing else has changed, and no backup is left."""
    write(settings.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    write(settings.root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    rendering = rendering_for(settings)
    before = tree(settings.root)
    # a directory where postconf has its temporary file, which is its lock too
    settings.at("/etc/postfix/main.cf.tmp").mkdir()
    with pytest.raises(DiskError, match=r"main.cf.tmp: is a directory"):
        install(rendering, settings, now=NOW)
    assert tree(settings.root) == before


@pytest.mark.parametrize("signer", ["rspamd", "dkimpy-milter"])
def test_a_revoked_key_leaves_no_copy(tmp_path: Path, signer: str) -> None:
    """The copy that a signer had goes with the next rendering, said before; no other file does, and no key."""
    settings = settings_for(tmp_path, signer=signer)
    place = signer_named(signer).key_copies[0]
    manage(settings, "example.com", algorithm="ed25519")
    manage(settings, "example.net", algorithm="ed25519")
    put(settings)
    for name in ("mine.key", "s._domainkey.example.org.key", "_domainkey.key"):
        write(settings.root, f"{place}/{name}", "not dkimctl's")
    kept = {path.name for path in settings.at(place).iterdir()}
    copy = f"{place}/mail._domainkey.example.com.key"
    store = store_for(settings)
    store.advance(store.keys("example.com")[0], Phase.REVOKED, NOW)
    manage(settings, "example.com", selector="next", algorithm="ed25519")
    rendering = rendering_for(settings)
    difference = compare(rendering, settings)
    assert difference.removed == (copy,)
    assert f"remove private key {copy}: no daemon reads it any more\n" in diff_lines(rendering, difference, settings)
    remove_leftovers(put(settings), settings)
    now = {path.name for path in settings.at(place).iterdir()}
    assert now == kept - {PurePosixPath(copy).name} | {"next._domainkey.example.com.key"}
    assert compare(rendering_for(settings), settings).is_empty
    assert settings.at(settings.paths.keys).joinpath("example.com/mail.private").exists()
    # nor does it once another signer has taken over
    store.advance(store.keys("example.net")[0], Phase.REVOKED, NOW)
    assert rendering_for(replace(settings, signing=settings.signing._replace(signer="opendkim"))).leftovers == (
        f"{place}/mail._domainkey.example.net.key",
    )


def test_a_copy_that_cannot_be_removed_is_named(settings: Settings) -> None:
    """The rest is in place then, and is said to be; the next run removes it."""
    copy = settings.at("/var/lib/dkimctl/rspamd/mail._domainkey.example.com.key")
    copy.mkdir(parents=True)
    installed = Installed(Difference(removed=(f"/{copy.relative_to(settings.root)}",)), "")
    with pytest.raises(DiskError, match=f"the new configuration is in place, but .*{copy}: is a directory") as caught:
        remove_leftovers(installed, settings)
    assert caught.value.hint.endswith("it removes that")


@pytest.mark.parametrize(("theirs", "is_ours"), [("", False), ("Mode sv\n", False), ("Mode v\n", True)])
def test_a_daemon_that_verifies_goes_on(settings: Settings, theirs: str, is_ours: bool) -> None:
    """Without Mode opendkim signs and verifies: in a person's file that stays so, as a Mode that signs does."""
    write(settings.root, CONF, f"Syslog yes\n{theirs}")
    put(settings)
    written = settings.at("/etc/opendkim/dkimctl.conf").read_text().splitlines()
    assert any(line.split() == ["Mode", "s"] for line in written) is is_ours
