"""What our rows of the KeyTable are called, beside people's rows and those of earlier versions; opendkim is asked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.install.write import Installed, install
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import KeyName
from dkimctl.opendkim.tables import data_set
from dkimctl.signers.opendkim.installed_tables import InstalledTables
from tests.conftest import REPOSITORY, needs
from tests.rendering import NOW, manage, rendering_for, said, settings_for, store_for, write

KEYS, SIGNING = "/etc/opendkim/KeyTable", "/etc/opendkim/SigningTable"
BEGIN, END = "# BEGIN dkimctl: rewritten by dkimctl; your own lines go above or below\n", "# END dkimctl\n"
PLACE = "/etc/opendkim/keys"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A tree with two managed domains and nothing installed."""
    settings = settings_for(tmp_path)
    manage(settings, "a.example", "b.example", selector="one")
    return settings


def put(settings: Settings) -> Installed:
    """Install what the tree should be told."""
    return install(rendering_for(settings), settings, now=NOW)


def read(settings: Settings, path: str) -> str:
    """A file of the tree."""
    return settings.at(path).read_text()


def names(settings: Settings) -> list[str]:
    """The first word of each row of the KeyTable."""
    return [line.split()[0] for line in read(settings, KEYS).splitlines() if not line.startswith("#")]


def selector_of(settings: Settings, sender: str) -> str:
    """With which selector the real daemon signs mail of this address; empty where it does not."""
    scratch = settings.root / "scratch"
    scratch.mkdir(exist_ok=True)
    lines = ["Mode s", "InternalHosts csl:127.0.0.1", "RequireSafeKeys no"]
    for table in (KEYS, SIGNING):
        (scratch / Path(table).name).write_text(read(settings, table).replace(PLACE, f"{settings.root}{PLACE}"))
        kind = data_set(re.findall(rf"^{Path(table).name}\s+(\S+)", read(settings, "/etc/opendkim.conf"), re.M)[-1])
        lines.append(f"{Path(table).name} {kind[0]}:{scratch}/{Path(table).name}")
    (scratch / "conf").write_text("\n".join(lines) + "\n")
    (scratch / "mail").write_text(f"From: {sender}\r\nSubject: x\r\n\r\nhello\r\n")
    ran = subprocess.run(
        ["opendkim", "-x", scratch / "conf", "-t", scratch / "mail"], capture_output=True, text=True, timeout=60
    )
    return "".join(re.findall(r"\ss=([^;]+);", ran.stdout))


def rotate(settings: Settings, domain: str, old: str, new: str) -> None:
    """Have a domain sign with its next key."""
    manage(settings, domain, selector=new)
    key = store_for(settings).find(KeyName(domain, old))
    assert key is not None
    store_for(settings).advance(key, Phase.RETIRING, NOW)


@needs("opendkim")
def test_the_signing_table_stays_when_a_key_is_exchanged(settings: Settings) -> None:
    """A row has the name of its domain: a reload in between never meets a name that the other table lacks."""
    put(settings)
    assert names(settings) == ["a.example", "b.example"]
    assert selector_of(settings, "x@below.a.example") == "one"
    rotate(settings, "a.example", "one", "two")
    assert [change.path for change in put(settings).changed.files] == [KEYS]
    assert [selector_of(settings, f"x@{name}") for name in ("a.example", "b.example")] == ["two", "one"]


@needs("opendkim")
@pytest.mark.parametrize("theirs", ["a.example", "A.Example", "a.*"])
@pytest.mark.parametrize("is_above", [True, False])
def test_a_row_of_a_person_takes_no_mail_by_its_name(settings: Settings, theirs: str, is_above: bool) -> None:
    """Neither does ours take theirs: each row of the SigningTable still means the same key."""
    manage(settings, "theirs.test", selector="old", phase=Phase.RETIRING)
    row, sign = f"{theirs} theirs.test:old:{PLACE}/theirs.test/old.private\n", f"theirs.test {theirs}\n"
    block = BEGIN + END
    write(settings.root, KEYS, row + block if is_above else block + row)
    write(settings.root, SIGNING, sign)
    put(settings)
    assert "one._domainkey.a.example" in names(settings)
    assert selector_of(settings, "x@a.example") == "one"
    if "*" not in theirs:  # which a file: table takes for a letter
        assert selector_of(settings, "x@theirs.test") == "old"


@needs("opendkim")
def test_a_persons_line_that_calls_our_row_by_its_old_name_goes_on(settings: Settings) -> None:
    """Earlier versions named rows after the key's record."""
    old = f"one._domainkey.a.example a.example:one:{PLACE}/a.example/one.private\n"
    write(settings.root, KEYS, BEGIN + old + END)
    name = old.split()[0]
    write(settings.root, SIGNING, f"{BEGIN}a.example {name}\n{END}vip@b.example {name}\n")
    rendering = rendering_for(settings)
    assert not any("there is no key" in text for text in said(rendering))
    install(rendering, settings, now=NOW)
    assert names(settings) == [name, "b.example"]
    assert selector_of(settings, "vip@b.example") == selector_of(settings, "x@a.example") == "one"


def as_before(settings: Settings) -> None:
    """Call the rows in both tables as earlier versions did: after the key's record."""
    for table in (KEYS, SIGNING):
        text = read(settings, table)
        value = r"^([^#\s]\S*) (\S+:one:)" if table == KEYS else r"^([^#\s]\S*) ((?=\w))"
        new = r"one._domainkey.\1 \2" if table == KEYS else r"\1 one._domainkey."
        write(settings.root, table, re.sub(value, new, text, flags=re.M))


@needs("opendkim")
def test_tables_of_an_earlier_version_are_replaced_in_one_installation(settings: Settings) -> None:
    """Until then they are read as they are, and a part that is exchanged leaves the other rows alone."""
    put(settings)
    as_before(settings)
    assert names(settings) == ["one._domainkey.a.example", "one._domainkey.b.example"]
    assert selector_of(settings, "x@y.b.example") == "one"
    tables = InstalledTables.of(settings)
    assert tables is not None and tables.installed(["a.example"]) == {("a.example", "one")}
    rotate(settings, "a.example", "one", "two")
    selection = [key for key in rendering_for(settings).keys if key.domain == "a.example"]
    assert [key.selector for key in selection] == ["two"]
    put(settings)
    assert names(settings) == ["a.example", "b.example"]
    assert [selector_of(settings, f"x@y.{name}") for name in ("a.example", "b.example")] == ["two", "one"]
    assert put(settings).changed.is_empty


UPGRADE = """
import os, signal, sys
from dkimctl.entry import main
root, left = sys.argv[1], int(sys.argv[2])
real = os.rename
def rename(source, target, **folders):
    global left
    if target in ("KeyTable", "SigningTable"):
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    real(source, target, **folders)
os.rename, sys.argv = rename, ["dkimctl", "render-config", *sys.argv[3:], "-q", "--root", root]
sys.exit(main())
"""


def upgrade(settings: Settings, *options: str, tables: int = 9) -> int:
    """Run render-config, killed when it would put one table more than so many in place; return its exit code."""
    command = [sys.executable, "-c", UPGRADE, str(settings.root), str(tables), *options]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False).returncode


@needs("opendkim", "postconf")
@pytest.mark.parametrize("killed_before", [0, 1, None])
def test_an_upgrade_is_finished_after_a_kill_and_undone_byte_for_byte(
    settings: Settings, killed_before: int | None
) -> None:
    """The tables of the earlier version are there before the first renaming and after `--undo`."""
    main_cf = write(settings.root, "/etc/postfix/main.cf", "compatibility_level = 3.6\n")
    write(settings.root, "/etc/postfix/master.cf", "smtp inet n - y - - smtpd\n")
    os.utime(main_cf, (0, 0))  # Postfix waits before it reads a file that has just changed
    assert upgrade(settings, "--install") == 0
    as_before(settings)
    old = [read(settings, table) for table in (KEYS, SIGNING)]
    if killed_before is not None:
        assert upgrade(settings, "--install", tables=killed_before) == -9
    assert upgrade(settings, "--install") == 0
    assert names(settings) == ["a.example", "b.example"]
    assert selector_of(settings, "x@y.b.example") == "one"
    assert upgrade(settings, "--undo") == 0
    assert [read(settings, table) for table in (KEYS, SIGNING)] == old
    assert selector_of(settings, "x@y.b.example") == "one"
