"""The commands that `doctor` prints: pasted into a shell they fix the finding, or open an editor at its place."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dkimctl.catalogue import CATALOGUE
from dkimctl.doctor.commands import changed_lines
from tests.conftest import REPOSITORY, DkimctlInside, needs
from tests.doctor_cases import BACK_IN, BROKEN, LOCAL, PIPE, SMTP, SUBMISSION, Case
from tests.doctor_cases.base import EXEC, SOCK
from tests.host_tree import CONF_PATH, DROP_IN, HOSTS, KEY, KEYS, MAIN_PATH, MASTER_PATH, SIGNING, Tree

pytestmark = needs("postconf", root=True)

BY_HAND = {
    "DKIM601": "a key that is lost",
    "DKIM603": "what lies in a key's place",
    "DKIM611": "a file that is no key",
    "DKIM612": "a passphrase",
    "DKIM613": "another key",
    "DKIM614": "another key",
    "DKIM616": "another key",
    "DKIM617": "a path that nobody can guess",
    "DKIM751": "a name that nobody can guess",
    "DKIM752": "a row of which parts are missing",
    "DKIM761": "a key in a table",
    "DKIM763": "a pattern that nobody can guess",
    "DKIM734": "how the daemon is started",
    "DKIM735": "what the unit may see",
    "DKIM766": "a domain that wants a key of its own",
    "DKIM774": "which domains to sign for",
    "DKIM783": "whose mail to sign",
    "DKIM812": "a filter without a way back",
    "DKIM820": "where to rewrite",
    "DKIM831": "a table for clients",
    "DKIM825": "where users hand in their mail",
    "DKIM915": "someone's script",
}
"""Codes that need a decision: their commands only open an editor."""
STILL = {"KeyTable mdb:": "DKIM708", "a name that the chroot does not know": "DKIM815"}

NOT_APPLIED = {
    "DKIM618": "a choice, about a key that works",
    "DKIM619": "who runs doctor",
    "DKIM620": "without a fix",
    "DKIM722": "a second daemon: where people put it",
    "DKIM726": "nothing that reads a Berkeley DB is at hand here",
    "DKIM727": "without a fix",
    "DKIM732": "without a fix",
    "DKIM768": "without a fix",
    "DKIM822": "without a fix",
    "DKIM900": "nothing is wrong",
    "DKIM901": "a running daemon: test_doctor_live.py",
    "DKIM902": "a running daemon: test_doctor_live.py",
    "DKIM903": "a running daemon: test_doctor_live.py",
    "DKIM904": "a running daemon: test_doctor_live.py",
    "DKIM905": "a running daemon: test_doctor_live.py",
    "DKIM910": "this machine's clock: test_doctor_clock.py",
    "DKIM911": "this machine's clock: test_doctor_clock.py",
    "DKIM912": "this machine's clock: test_doctor_clock.py",
    "DKIM916": "the timer of this machine: test_lifecycle_last_run.py",
    "DKIM917": "the clock that jumped since the last run: test_lifecycle_last_run.py",
    "DKIM918": "the units of this machine: test_init_units.py",
    "DKIM990": "who runs doctor",
    "DKIM991": "what is installed here",
    "DKIM992": "nothing is wrong",
    "DKIM993": "nothing is wrong",
}
"""Findings of doctor whose fix no case here applies, each with the reason."""

Paste = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def paste(dkimctl_inside: DkimctlInside, tmp_path: Path) -> Paste:
    """A shell in which `dkimctl` is this one, and an editor that changes nothing."""
    for name, script in {"dkimctl": f'exec {sys.executable} -m dkimctl "$@"', "editor": "exit 0"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"

    def run(command: str) -> "subprocess.CompletedProcess[str]":
        ended = subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
        )
        for postfix in dkimctl_inside.root.glob("etc/postfix*/main.cf"):
            os.utime(postfix, (1_700_000_000, 1_700_000_000))  # postconf waits two seconds after a change
        return ended

    return run


def found(dkimctl_inside: DkimctlInside) -> list[dict[str, Any]]:
    """The findings."""
    return list(dkimctl_inside("doctor", "--json").json["findings"])


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.name)
def test_printed_commands_fix_the_finding(
    dkimctl_inside: DkimctlInside, paste: Paste, case: Case, record_property: Callable[[str, int], None]
) -> None:
    """Every command is valid shell; once pasted, the finding is gone, unless it needs a decision."""
    case.break_it(Tree(dkimctl_inside.root))
    findings = found(dkimctl_inside)
    for finding in findings:
        understood = subprocess.run(["sh", "-n", "-c", finding["fix"]], capture_output=True, text=True)
        assert understood.returncode == 0, (finding["fix"], understood.stderr)
    before = Counter(f["code"] for f in findings)
    for finding in findings:
        if finding["code"] == case.code:
            ended = paste(finding["fix"])
            assert ended.returncode == 0 or case.code in BY_HAND, (finding["fix"], ended.stderr)
    after = Counter(f["code"] for f in found(dkimctl_inside))
    is_fixed = case.code not in after
    record_property("counted: broken hosts that doctor's printed command fixes", int(is_fixed))
    assert is_fixed or case.code in BY_HAND or STILL.get(case.name) == case.code, findings
    assert after[case.code] <= before[case.code]


def test_every_fix_is_applied() -> None:
    """A new finding needs a case in which its fix is pasted, or a reason why none can be made."""
    codes = {code for code in CATALOGUE if code.startswith(("DKIM6", "DKIM7", "DKIM8", "DKIM90", "DKIM91", "DKIM99"))}
    assert codes - {case.code for case in BROKEN} == set(NOT_APPLIED)


def test_several_at_once(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """All commands of one run can be pasted one after the other: none moves the lines that another one changes."""
    tree = Tree(dkimctl_inside.root)
    tree.append(KEYS, "mail._domainkey.example.com example.com:new:/etc/k\n# a remark\n")
    tree.append(SIGNING, "*@example.net mail._domainkey.example.com\n*@example.org mail._domainkey.example.com\n")
    tree.write(CONF_PATH, "Socket inet:8891@localhost\nOmitHeaders Date\n" + tree.at(CONF_PATH).read_text())
    tree.append(HOSTS, "203.0.113.9/24\n198.51.100.7/24\n")
    for finding in found(dkimctl_inside):
        if not finding["fix"].startswith(("editor", "dkimctl")):
            assert paste(finding["fix"]).returncode == 0, finding
    left = {f["code"] for f in found(dkimctl_inside) if f["severity"] in ("error", "warning")}
    assert left == {"DKIM766"}, "example.net signed for by example.com"
    assert "# a remark\n" in tree.at(KEYS).read_text()
    assert tree.at(SIGNING).read_text().splitlines()[2].startswith("example.net ")


@pytest.mark.parametrize(
    "row",
    [
        f"mail._domainkey.example.com example.com:ma_il:{KEY}.gone",
        f"mail._domainkey.example.com exämple.com:mail:{KEY}",
        f"mail._domainkey.example.com example.com: mail:{KEY}",
        f"mail._domainkey.example.com EXAMPLE.com:mail:{KEY[1:]}",
        f"mail._domainkey.example.com bücher.example:mail:{KEY[1:]}",
    ],
)
def test_two_findings_about_one_row(dkimctl_inside: DkimctlInside, paste: Paste, row: str) -> None:
    """No fix undoes another: of several that replace one line the gravest has its command, the others say when."""
    tree = Tree(dkimctl_inside.root)
    tree.write(KEYS, row + "\n")
    tree.write(SIGNING, "*@example.com mail._domainkey.example.com:bob@b.test\nb\u00fccher.example Mail:x\n")
    once = [f["fix"] for f in found(dkimctl_inside)]
    changed = [place for fix in dict.fromkeys(once) for place, whole in changed_lines(fix).items() if whole]
    assert len(changed) == len(set(changed)), once
    for fix in once:
        assert fix.startswith(("editor", "dkimctl", "openssl")) or paste(fix).returncode == 0, fix


def test_what_a_command_changes() -> None:
    """Read from the commands themselves, in every form in which they are printed."""
    assert changed_lines(
        "sed -i -e '3c a b' -e '5d' /etc/t && sed -i --follow-symlinks -e '1s/^/#/;2s/^/#/' '/e t'"
    ) == {
        ("/etc/t", 3): True,
        ("/etc/t", 5): True,
        ("'/e t'", 1): False,
        ("'/e t'", 2): False,
    }
    assert changed_lines("postconf -e 'a = 1'") == {}


def test_a_daemon_told_by_its_command_line_alone(dkimctl_inside: DkimctlInside) -> None:
    """It starts and signs without a file: neither doctor nor why says otherwise, or advises another installation."""
    tree = Tree(dkimctl_inside.root)
    tree.at(CONF_PATH).unlink()
    options = f"-p local:{SOCK}/opendkim.sock -u opendkim -P /run/opendkim/opendkim.pid -d example.com -s mail -k {KEY}"
    tree.write(DROP_IN, f"{EXEC}{options}\n")
    assert "DKIM701" not in {f["code"] for f in found(dkimctl_inside)}
    assert dkimctl_inside("why", "contact@example.com", "--no-dns").out.startswith(
        "contact@example.com from 127.0.0.1: signed"
    )
    tree.write(DROP_IN, f"{EXEC}-p local:{SOCK}/opendkim.sock\n")
    assert "DKIM701" in {f["code"] for f in found(dkimctl_inside)}


def test_a_last_line_without_its_end(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """An appended setting starts on a new line."""
    tree = Tree(dkimctl_inside.root)
    tree.write(HOSTS, "127.0.0.1")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM781"]
    paste(fix)
    assert tree.at(HOSTS).read_text() == "127.0.0.1\n::1\n"


def test_a_link_stays_a_link(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """A table that is a link into a repository is changed there."""
    tree = Tree(dkimctl_inside.root)
    tree.at("/srv").mkdir()
    tree.at(SIGNING).rename(tree.at("/srv/signing table's"))
    tree.at(SIGNING).symlink_to("../../srv/signing table's")
    tree.append("/srv/signing table's", "*@example.net mail._domainkey.example.com\n")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM755"]
    assert paste(fix).returncode == 0
    assert tree.at(SIGNING).is_symlink()
    assert "\nexample.net mail" in tree.at("/srv/signing table's").read_text()


def test_a_byte_order_mark_and_a_blank_through_a_link(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """A byte order mark and a blank are removed through a link too, and for a path that needs quoting."""
    tree = Tree(dkimctl_inside.root)
    tree.at("/srv").mkdir()
    tree.write("/srv/my table", "\ufeff# mine\n *@example.com mail._domainkey.example.com\n")
    tree.at(SIGNING).unlink()
    tree.at("/etc/opendkim/a&b").symlink_to("../../srv/my table")
    tree.conf("SigningTable", "refile:/etc/opendkim/a&b")
    fixes = [f["fix"] for f in found(dkimctl_inside) if f["code"] in ("DKIM760", "DKIM762")]
    assert [paste(fix).returncode for fix in fixes] == [0, 0]
    assert tree.at("/etc/opendkim/a&b").is_symlink()
    assert tree.at("/srv/my table").read_text() == "# mine\n*@example.com mail._domainkey.example.com\n"


def test_tables_in_the_configuration_itself(dkimctl_inside: DkimctlInside) -> None:
    """A fault of an inline list is reported for its line, and the command opens that line."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("KeyTable", f"csl:one=example.com:mail:{KEY},two=example.net:mail:{KEY}")
    tree.conf("SigningTable", "csl:example.com=one,example.org=three")
    lines = {line.split()[0]: n for n, line in enumerate(tree.at(CONF_PATH).read_text().splitlines(), 1)}
    by_code = {f["code"]: f for f in found(dkimctl_inside)}
    assert by_code["DKIM768"]["subject"] == f"{CONF_PATH} line {lines['KeyTable']}"
    assert by_code["DKIM751"]["subject"] == f"{CONF_PATH} line {lines['SigningTable']}"
    assert by_code["DKIM751"]["fix"].startswith(f"editor +{lines['SigningTable']} {tree.at(CONF_PATH)}  # ")


@pytest.mark.parametrize(
    ("option", "code"),
    [
        ("-p inet:8891", "DKIM827"),
        ("-p inet:localhost:8891", "DKIM704"),
        ("-k /etc/k", "DKIM734"),
        ("-b v", "DKIM720"),
        ("-o from", "DKIM718"),
        ("-T x", "DKIM704"),
    ],
)
def test_the_line_that_starts_the_daemon(dkimctl_inside: DkimctlInside, option: str, code: str) -> None:
    """A setting on the unit's command line has to be edited by hand: no command writes over its ExecStart."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("Socket", None)
    drop_in = "/etc/systemd/system/opendkim.service.d/override.conf"
    tree.write(drop_in, f"[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim {option}\n")
    by_code = {f["code"]: f["fix"] for f in found(dkimctl_inside)}
    assert by_code[code].startswith(f"editor +3 {tree.at(drop_in)}"), by_code


def test_a_relative_path_in_an_inline_list(dkimctl_inside: DkimctlInside) -> None:
    """The line of an inline list is a setting, and no command overwrites it."""
    tree = Tree(dkimctl_inside.root)
    tree.key("/etc/opendkim/keys/mail.private")
    tree.conf("KeyTable", "csl:one=example.com:mail:keys/mail.private,two=example.net:mail:/etc/k")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM617"]
    assert fix.startswith("editor +")


def test_a_key_is_moved_and_its_namesakes_are_not(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """Every row that names the key is repointed to the copy; a row whose path only begins with it is unchanged."""
    tree = Tree(dkimctl_inside.root)
    tree.move_key("/home/alice/k")
    tree.key("/home/alice/k2")
    tree.change("/home/alice", 0o755, (3200, 3200))
    rows = ("m example.com:mail:/home/alice/k", "n example.com:mail:/home/alice/k # n", "o a.example:s:/home/alice/k2")
    tree.write(KEYS, "".join(f"{row}\n" for row in rows))
    tree.write(SIGNING, "example.com m\nb.example.com n\na.example o\n")
    [fix, *_] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM609"]
    assert paste(fix).returncode == 0
    new = tree.at(KEYS).read_text().splitlines()
    assert new == [f"m example.com:mail:{KEY}", f"n example.com:mail:{KEY} # n", rows[2]]


def test_a_pattern_of_hosts_beside_its_name(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """Where the intended name is already listed, the pattern is removed and the list still becomes a file: list."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("InternalHosts", f"refile:{HOSTS}")
    tree.append(HOSTS, ".example.com\n*.example.com\n")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM785"]
    assert paste(fix).returncode == 0
    assert f"InternalHosts file:{HOSTS}" in tree.at(CONF_PATH).read_text()
    assert "\n#*.example.com" in tree.at(HOSTS).read_text()


def test_a_domain_that_a_shell_would_run(dkimctl_inside: DkimctlInside) -> None:
    """Any text of a table is quoted as one word of the command."""
    tree = Tree(dkimctl_inside.root)
    tree.write(KEYS, "k a;b.example:mail:/nowhere\n")
    tree.write(SIGNING, "c&d.test k\n")
    fixes = {f["code"]: f["fix"] for f in found(dkimctl_inside)}
    assert "genkey 'a;b.example' " in fixes["DKIM601"]
    assert "genkey 'c&d.test' " in fixes["DKIM766"]


def test_other_options_of_a_service_stay(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """A service that bypasses the milters uses them again, and keeps its other options."""
    tree = Tree(dkimctl_inside.root)
    options = "no_milters,no_address_mappings"
    tree.append(MASTER_PATH, f"10.1.2.3:25 inet n - n - - smtpd\n  -o receive_override_options={options}\n")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM809"]
    assert paste(fix).returncode == 0
    assert "no_address_mappings" in tree.at(MASTER_PATH).read_text()
    assert "DKIM809" not in {f["code"] for f in found(dkimctl_inside)}


def test_nobody_s_home_is_given_away(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """A key in a home directory is copied to the key directory and the KeyTable repointed; the home is unchanged."""
    tree = Tree(dkimctl_inside.root)
    tree.change("/home/alice", 0o755, (3200, 3200))
    tree.move_key("/home/alice/mail.private")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM609"]
    assert paste(fix).returncode == 0
    assert tree.at("/home/alice").stat().st_uid == 3200
    assert tree.at(KEYS).read_text() == f"mail._domainkey.example.com example.com:mail:{KEY}\n"
    assert not [f for f in found(dkimctl_inside) if f["severity"] in ("error", "unknown", "warning")]


@pytest.mark.parametrize("directory", ["/var/spool/postfix", "/tmp", "/run/opendkim"])
def test_no_directory_of_others_is_given_to_the_daemon(dkimctl_inside: DkimctlInside, directory: str) -> None:
    """Where the socket's directory has other users, the socket moves; the directory keeps its owner."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("Socket", f"local:{directory}/opendkim.sock")
    tree.main("smtpd_milters", f"unix:{directory}/opendkim.sock")
    tree.swap(MAIN_PATH, "myhostname", "# \nmyhostname")
    fixes = [f["fix"] for f in found(dkimctl_inside) if f["code"] in ("DKIM806", "DKIM807", "DKIM808")]
    assert not [fix for fix in fixes if "install -d" in fix or "chown" in fix]


def test_a_key_that_lies_beside_the_path(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """Where the selector's own file exists, the KeyTable is repointed to it, and no new key is made."""
    tree = Tree(dkimctl_inside.root)
    tree.swap(KEYS, KEY, KEY.replace("mail.private", "old.private"))
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM601"]
    assert paste(fix).returncode == 0
    assert tree.at(KEYS).read_text() == f"mail._domainkey.example.com example.com:mail:{KEY}\n"


def test_another_key_has_another_selector(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """The command can be pasted as often as wanted: it changes no key that is in DNS, and no row before its proof."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("MinimumKeyBits", "4096")
    before = tree.at(KEYS).read_text()
    for _ in range(2):
        [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM613"]
        assert paste(fix).returncode == 2, "no provider is configured"
    assert len(list(tree.at(KEY).parent.glob("*.private"))) == 3
    assert tree.at(KEYS).read_text() == before


def test_all_commands_about_two_sockets_agree(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """A drop-in moves the daemon's socket away from Postfix's: pasted one after the other, none undoes another."""
    tree = Tree(dkimctl_inside.root)
    place = "/etc/systemd/system/opendkim.service.d/override.conf"
    tree.write(place, "[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim -p inet:8891@localhost\n")
    fixes = {f["code"]: f["fix"] for f in found(dkimctl_inside) if f["severity"] in ("error", "warning")}
    assert {"DKIM713", "DKIM805"} <= fixes.keys()
    assert all(paste(fix).returncode == 0 for fix in fixes.values())
    assert not [f for f in found(dkimctl_inside) if f["severity"] in ("error", "warning")]


def users_filter(tree: Tree) -> None:
    """Users' mail goes through a content filter and returns; port 25 is not open."""
    tree.main("content_filter", "scan:[127.0.0.1]:10024")
    tree.write(MASTER_PATH, f"{SUBMISSION}pickup unix n - n 60 1 pickup\n{BACK_IN}")


def test_what_comes_back_from_a_filter_is_signed_once(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """The daemon is used only after the filter; before it, the other milters still are."""
    tree = Tree(dkimctl_inside.root)
    others = "inet:127.0.0.1:8000, { inet:127.0.0.1:8001, connect_timeout = 5s }"
    tree.main("smtpd_milters", f"{others}, unix:opendkim/opendkim.sock")
    users_filter(tree)
    fixes = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM810"]
    assert all(paste(fix).returncode == 0 for fix in fixes)
    assert "inet:127.0.0.1:8000,{inet:127.0.0.1:8001,connect_timeout=5s}" in tree.at(MASTER_PATH).read_text()
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM801", "DKIM809", "DKIM810", "DKIM811", "DKIM812"}


def test_local_mail_is_signed_once(dkimctl_inside: DkimctlInside, paste: Paste) -> None:
    """Mail from sendmail(1) is signed by non_smtpd_milters or on its return from a filter, never by both."""
    tree = Tree(dkimctl_inside.root)
    users_filter(tree)
    paste(next(f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM810" and "submission" in f["seen"]))
    [twice] = [f for f in found(dkimctl_inside) if f["code"] == "DKIM810"]
    assert "sendmail(1)" in twice["seen"]
    tree.main("non_smtpd_milters", "")
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM802", "DKIM810"}
    tree.main("non_smtpd_milters", "$smtpd_milters")
    assert paste(twice["fix"]).returncode == 0
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM802", "DKIM810"}


@pytest.mark.parametrize("way_back", [f"{BACK_IN}{LOCAL}", PIPE])
def test_mail_from_outside_is_no_longer_signed(dkimctl_inside: DkimctlInside, paste: Paste, way_back: str) -> None:
    """Once the command is pasted, mail is signed where it comes in, and not where it returns from the filter."""
    tree = Tree(dkimctl_inside.root)
    tree.write(MASTER_PATH, f"{SMTP}  -o content_filter=scan:[127.0.0.1]:10024\n{SUBMISSION}{way_back}")
    [hole] = [f for f in found(dkimctl_inside) if f["code"] == "DKIM828"]
    assert hole["severity"] == "error"
    assert paste(hole["fix"]).returncode == 0
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM801", "DKIM805", "DKIM809", "DKIM810", "DKIM828"}
    assert "smtpd_milters = unix:opendkim/opendkim.sock" in tree.at(MAIN_PATH).read_text()


BARE_PORT = (
    "10025 inet n - n - - smtpd\n  -o content_filter=\n  -o smtpd_client_restrictions=permit_mynetworks,reject\n"
)
NO_CHECKS = f"{BACK_IN}  -o receive_override_options=no_header_body_checks\n{LOCAL}"
TO_SCAN = "FILTER scan:[127.0.0.1]:10024"
HOLES: list[tuple[str, str, str]] = [
    ("content_filter", "scan:[127.0.0.1]:10024", BARE_PORT),
    ("content_filter", "scan:[192.0.2.9]:10024", "192.0.2.1:10025 inet n - n - - smtpd\n  -o content_filter=\n"),
    ("header_checks", f"regexp:{{{{/^From:/ {TO_SCAN}}}}}", NO_CHECKS),
    ("smtpd_recipient_restrictions", f"check_sender_access static:{{{TO_SCAN}}}, permit", BARE_PORT),
    ("smtpd_client_restrictions", "permit_mynetworks, check_client_access cidr:/etc/postfix/access", BARE_PORT),
]
"""A setting of main.cf that hands other people's mail to a filter, and where the mail returns, signed (measured)."""


@pytest.mark.parametrize(("name", "value", "way_back"), HOLES)
@pytest.mark.parametrize("signs", [True, False])
def test_every_way_into_a_filter(
    dkimctl_inside: DkimctlInside, paste: Paste, name: str, value: str, way_back: str, signs: bool
) -> None:
    """FILTER in a table, a return port on every address, a filter elsewhere: mail from outside is never signed.

    Neither where it is today, nor after the fix on a host that does not sign at all yet.
    """
    tree = Tree(dkimctl_inside.root)
    tree.write("/etc/postfix/access", f"# who is scanned\n0.0.0.0/0 {TO_SCAN}\n")
    tree.main(name, value)
    tree.append(HOSTS, "192.0.2.9\n")
    tree.append(MASTER_PATH, way_back)
    if not signs:
        tree.main("smtpd_milters", "")
    before = {f["code"]: f["fix"] for f in found(dkimctl_inside)}
    assert paste(before["DKIM828" if signs else "DKIM801"]).returncode == 0
    assert "DKIM828" in before if signs else "DKIM828" not in before
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM801", "DKIM828"}
    assert "-o smtpd_milters=\n" in tree.at(MASTER_PATH).read_text()


@pytest.mark.parametrize("way_back", [f"{BACK_IN}{LOCAL}", PIPE])
@pytest.mark.parametrize("name", ["smtpd_milters", "receive_override_options"])
def test_no_fix_opens_the_way_back(dkimctl_inside: DkimctlInside, paste: Paste, way_back: str, name: str) -> None:
    """A fix that has main.cf ask the daemon again keeps the service, or sendmail(1), where a filter's mail returns."""
    tree = Tree(dkimctl_inside.root)
    tree.write(MASTER_PATH, f"{SMTP}  -o content_filter=scan:[127.0.0.1]:10024\n{way_back}")
    tree.main(name, "" if name == "smtpd_milters" else "no_milters")
    code = "DKIM801" if name == "smtpd_milters" else "DKIM830"
    assert paste(next(f["fix"] for f in found(dkimctl_inside) if f["code"] == code)).returncode == 0
    assert not {f["code"] for f in found(dkimctl_inside)} & {"DKIM801", "DKIM828", "DKIM830"}


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("KEY_TABLE x:y:z", "DKIM702", "editor"),
        (f"KEY_TABLE file:{KEYS}", "DKIM702", "KeyTable file:"),
        ("PeerList 10.1.3.0/24 fd00::/16", "DKIM708", "csl:10.1.3.0/24,fd00::/16"),
        ("InternalHosts 10.1.3.0/24 192.168.0.0/16", "DKIM781", "csl:10.1.3.0/24,192.168.0.0/16,127.0.0.1,::1"),
    ],
)
def test_a_fix_is_one_that_the_daemon_accepts(dkimctl_inside: DkimctlInside, line: str, code: str, words: str) -> None:
    """The result of a command is checked before it is printed; where no valid value is known, an editor is opened."""
    Tree(dkimctl_inside.root).conf(line.split()[0], line.partition(" ")[2])
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == code]
    assert words in fix


def test_a_misspelt_address_of_the_daemon_is_replaced(dkimctl_inside: DkimctlInside) -> None:
    """The daemon's port under another host name leaves the list: kept, it would defer all mail."""
    tree = Tree(dkimctl_inside.root)
    tree.conf("Socket", "inet:12301@127.0.0.1")
    tree.main("smtpd_milters", "inet:ark:12301, inet:127.0.0.1:8000")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM805"]
    assert "inet:ark" not in fix
    assert "inet:127.0.0.1:8000" in fix


def test_rows_that_do_nothing_are_put_away(dkimctl_inside: DkimctlInside) -> None:
    """Patterns of a hand-made table beside dkimctl's own rows, and a duplicate row: `--fix` comments out all."""
    tree = Tree(dkimctl_inside.root)
    before = tree.at(SIGNING).read_text()
    tree.write(
        SIGNING, f"*@example.com mail._domainkey.example.com\n*@*.example.com mail._domainkey.example.com\n{before}"
    )
    tree.write(KEYS, tree.at(KEYS).read_text() * 2)
    assert {f["code"] for f in found(dkimctl_inside) if f["severity"] == "warning"} == {"DKIM755", "DKIM757"}
    assert dkimctl_inside("doctor", "--fix", "--no-dns").code == 0
    assert not [f for f in found(dkimctl_inside) if f["severity"] in ("error", "warning")]
    assert tree.at(SIGNING).read_text().endswith(before)
    assert len(list(tree.root.glob("var/backups/dkimctl/*/etc/opendkim/SigningTable"))) == 1


def test_a_unit_that_names_a_file_that_is_not_there(dkimctl_inside: DkimctlInside) -> None:
    """The fix is made in the unit: a configuration that dkimctl installs would not be read."""
    tree = Tree(dkimctl_inside.root)
    place = "/etc/systemd/system/opendkim.service.d/override.conf"
    tree.write(place, "[Service]\nExecStart=\nExecStart=/usr/sbin/opendkim -x /etc/opendkim/other.conf\n")
    [fix] = [f["fix"] for f in found(dkimctl_inside) if f["code"] == "DKIM701"]
    assert fix.startswith(f"editor +3 {tree.at(place)}")
