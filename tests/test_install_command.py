"""`dkimctl render-config` as it is typed: what is shown, the exit codes, and what goes wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import DkimctlInside, Scratch, needs
from tests.rendering import ARTICLE_CONF, manage, settings_for, tree, write


@pytest.fixture
def managed(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """A root with one managed domain."""
    manage(settings_for(dkimctl_inside.root), "example.com")
    return dkimctl_inside


def test_the_plain_command_shows_the_diff_and_writes_nothing(managed: DkimctlInside) -> None:
    """Safe to type: the diff on stdout, what to do next on stderr, exit 0; `--diff` is the same said aloud."""
    before = tree(managed.root)
    shown = managed("render-config")
    assert shown.code == 0
    assert "+++ /etc/opendkim/SigningTable\n" in shown.out
    assert "+.example.com example.com\n" in shown.out
    assert "--install" in shown.err
    assert managed("render-config", "--diff").out == shown.out
    assert tree(managed.root) == before


def test_check_tells_by_its_exit_code(managed: DkimctlInside) -> None:
    """1 with a line for each thing that differs; 0 after the installation; with `--diff` the diff as well."""
    differs = managed("render-config", "--check")
    assert differs.code == 1
    assert "/etc/opendkim/KeyTable: new\n" in differs.out
    assert managed("render-config", "--check", "-q").out == differs.out
    assert "+++" in managed("render-config", "--check", "--diff").out
    assert managed("render-config", "--install").code == 0
    same = managed("render-config", "--check")
    assert (same.code, same.out) == (0, "nothing to change: everything is as it should be\n")
    for option in ("--check", "--install"):
        silent = managed("render-config", option, "-q")
        assert (silent.code, silent.out) == (0, "")


def test_install_says_what_changed_and_where_the_old_files_are(managed: DkimctlInside) -> None:
    """What changed on stdout; the backup, the missing dry run and the missing Postfix on stderr; nothing twice."""
    write(managed.root, "/etc/opendkim.conf", ARTICLE_CONF)
    done = managed("render-config", "--install")
    assert done.code == 0
    assert "/etc/opendkim.conf: changed\n" in done.out
    assert re.search(r"the old files are in /var/backups/dkimctl/\d{8}T\d{6}Z\n", done.err)
    assert "no dry run below --root" in done.err
    assert "no Postfix is configured" in done.err
    again = managed("render-config", "--install")
    assert "nothing to change" in again.out
    assert "backup" not in again.err


def test_every_option_has_its_effect(managed: DkimctlInside) -> None:
    """Socket, tables, hosts, canonicalization, sub-domains: in the tree that `--output` writes."""
    out = managed.root / "out"
    options = ["--socket", "inet:8891@localhost", "--tables", "refile", "--trusted-host", "192.0.2.1/24"]
    options += ["--canonicalization", "simple/simple", "--no-subdomains"]
    written = managed("render-config", *options, "--output", out)
    assert written.code == 0
    assert f"{out}/etc/opendkim.conf\n" in written.out
    conf = (out / "etc/opendkim.conf").read_text()
    assert "Socket              inet:8891@localhost\n" in conf
    assert "Canonicalization    simple/simple\n" in conf
    assert "SigningTable        refile:/etc/opendkim/SigningTable\n" in conf
    assert "*@*." not in (out / "etc/opendkim/SigningTable").read_text()
    hosts = (out / "etc/opendkim/TrustedHosts").read_text().splitlines()
    assert hosts[1:-1] == ["127.0.0.1", "::1", "192.0.2.0/24"]
    assert not (out / "etc/tmpfiles.d").exists()
    assert not (managed.root / "etc/opendkim.conf").exists()


def test_the_configuration_file_says_the_same(managed: DkimctlInside) -> None:
    """`[signing]` for good instead of options each time; options add to its hosts and win over the rest."""
    write(
        managed.root,
        "/etc/dkimctl/dkimctl.toml",
        '[signing]\nsocket = "inet:8891@localhost"\nsubdomains = false\n'
        'trusted_hosts = ["127.0.0.1", "::1", "10.0.0.0/8"]\n',
    )
    out = managed.root / "out"
    managed("render-config", "--output", out, "--trusted-host", "fd00::/8", "--socket", "inet:8892@localhost")
    assert "Socket              inet:8892@localhost\n" in (out / "etc/opendkim.conf").read_text()
    assert "10.0.0.0/8\nfd00::/8\n" in (out / "etc/opendkim/TrustedHosts").read_text()
    assert "\n.example.com" not in (out / "etc/opendkim/SigningTable").read_text()


def test_options_that_the_next_run_would_undo_are_told(managed: DkimctlInside) -> None:
    """Installed with an option that is in no configuration file: the output says how to keep it."""
    assert "[signing]" in managed("render-config", "--install", "--no-subdomains").err
    assert "[signing]" not in managed("render-config", "--install").err


@needs("postconf")
def test_postfix_settings_go_beside_the_tree(managed: DkimctlInside) -> None:
    """`--output` never touches main.cf: its settings are lines that `xargs -d '\\n' postconf -e` takes."""
    main_cf = write(managed.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    write(managed.root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    out = managed.root / "out"
    assert "xargs -d" in managed("render-config", "--output", out).err
    assert "smtpd_milters = unix:opendkim/opendkim.sock\n" in (out / "postfix-settings").read_text()
    assert main_cf.read_text() == "compatibility_level = 3.6\n"


def test_json_is_one_document_with_the_warnings(managed: DkimctlInside) -> None:
    """For automation: the differences and the notices, no text beside them, and nothing of the files' content."""
    shown = managed("render-config", "--check", "--json", "--trusted-host", "0.0.0.0/0")
    difference = shown.json["difference"]
    assert shown.code == 1
    assert {"path": "/etc/opendkim/KeyTable", "change": "new"} in difference["files"]
    assert any("every client" in notice["message"] for notice in difference["notices"])
    assert managed("render-config", "--install", "--json").json["installed"]["dry_run"] == "no dry run below --root"
    assert managed("render-config", "--output", managed.root / "o", "--json").json["written"]["files"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--install", "--check"], "exclude each other"),
        (["--install", "--output", "x"], "exclude each other"),
        (["--output", "x", "--diff"], "exclude each other"),
        (["--socket", "8891"], "not a milter socket: 8891"),
        (["--socket", "local:/etc/opendkim.sock"], "the socket needs a directory of its own"),
        (["--trusted-host", "10.0.0.0/40"], "not an address, network or host: 10.0.0.0/40"),
        (["--tables", "db"], "'db' is not one of"),
        (["--canonicalization", "relaxed/lax"], "is not one of"),
        (["--milter-default-action", "drop"], "is not one of"),
    ],
)
def test_wrong_usage_is_exit_2_with_a_hint(managed: DkimctlInside, arguments: list[str], word: str) -> None:
    """One line on what is wrong, one on what to type; nothing written."""
    write(managed.root, "/etc/passwd", "")
    before = tree(managed.root)
    ended = managed("render-config", *arguments)
    assert ended.code == 2
    assert word in ended.err
    assert "hint: " in ended.err
    assert tree(managed.root) == before


def test_no_key_at_all_is_told(dkimctl_inside: DkimctlInside) -> None:
    """Nothing to render: the command that makes the first key."""
    ended = dkimctl_inside("render-config", "--install")
    assert ended.code == 2
    assert "dkimctl genkey example.com" in ended.err


def test_what_would_lose_mail_is_exit_1(managed: DkimctlInside) -> None:
    """A table line that crashes the daemon: shown as a warning, refused at the installation."""
    write(managed.root, "/etc/opendkim/SigningTable", "example.net\n")
    assert managed("render-config").code == 0
    refused = managed("render-config", "--install")
    assert refused.code == 1
    assert "names no key, which makes opendkim crash" in refused.err


@needs("postconf")
def test_a_broken_main_cf_is_exit_3(managed: DkimctlInside) -> None:
    """postconf's own reason is passed on, and nothing was installed."""
    write(managed.root, "/etc/postfix/main.cf", "smtpd_milters = ${broken\n")
    write(managed.root, "/etc/postfix/master.cf", "smtp inet n\n")
    ended = managed("render-config", "--install")
    assert ended.code == 3
    assert "postconf failed" in ended.err
    assert not (managed.root / "etc/opendkim.conf").exists()


NOBODY = 65534
AS_NOBODY = """
import importlib, os, pkgutil, sys
import dkimctl
for module in pkgutil.walk_packages(dkimctl.__path__, "dkimctl."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
from dkimctl.entry import main
sys.exit(main())
"""


@needs(root=True)
def test_without_rights_it_is_exit_3_and_the_way_is_told(scratch: Scratch) -> None:
    """An ordinary user on the real paths: the disk says no, sudo is named; in a tree of one's own it just works."""
    with TemporaryDirectory(dir="/var/tmp") as place:  # pytest's own directories are closed to others
        root = Path(place)
        root.chmod(0o755)
        manage(settings_for(root), "example.com")
        shut = as_nobody(scratch, root)
        assert shut.returncode == 3
        assert "sudo dkimctl" in shut.stderr
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        own = as_nobody(scratch, root)
        assert own.returncode == 0, own.stderr
        assert "was not given to opendkim:postfix: only root can do that" in own.stderr


def as_nobody(scratch: Scratch, root: Path) -> "subprocess.CompletedProcess[str]":
    """`render-config --install` by a user who may nothing; the program is loaded before its rights are given up."""
    command = [sys.executable, "-c", AS_NOBODY, "render-config", "--install", "--root", str(root)]
    return subprocess.run(command, env=scratch.environment(), capture_output=True, text=True, cwd="/")
