"""What dkimctl put in place can be taken out again: mail flows as it did before, and nothing of others' is lost."""

import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.box import box_works, run_in_box
from tests.conftest import REPOSITORY, DkimctlInside, needs
from tests.rendering import manage, settings_for, write
from tests.test_first_minutes import documents

MAIN_CF = "compatibility_level = 3.6\nmyhostname = relay.example.net\nsmtpd_milters = inet:localhost:9999\n"
CONF = "# mine\nSyslog yes\nUserID opendkim\nSocket inet:8891@localhost\n"
TABLE = "other._domainkey.example.org example.org:other:/etc/keys/other.private\n"


@pytest.fixture
def host(dkimctl_inside: DkimctlInside) -> DkimctlInside:
    """A tree with files of its own in every place, and a managed domain."""
    root = dkimctl_inside.root
    for path, text in (("main.cf", MAIN_CF), ("master.cf", "smtp inet n - y - - smtpd\n")):
        write(root, f"/etc/postfix/{path}", text)
    write(root, "/etc/opendkim.conf", CONF).chmod(0o640)
    write(root, "/etc/opendkim/KeyTable", TABLE)
    manage(settings_for(root), "example.com")
    return dkimctl_inside


COPIES = ("var/lib/dkimctl/rspamd", "etc/dkimpy-milter/keys")


def files(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Content, mode and owner of every file below /etc that is no key and no lock."""
    found = (path for path in (root / "etc").rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path): (path.read_bytes(), stat.S_IMODE(os.stat(path).st_mode), os.stat(path).st_uid) for path in found}


@needs("postconf")
def test_undo_is_byte_for_byte(host: DkimctlInside) -> None:
    """Content, modes and owners as before the installation; the dry run says the same and changes nothing."""
    before = files(host.root)
    assert host("render-config", "--install").code == 0
    installed = files(host.root)
    assert installed != before
    shown = host("render-config", "--undo", "--dry-run", "--json")
    assert (shown.code, shown.json["changed"], files(host.root) == installed) == (0, False, True)
    undone = host("render-config", "--undo", "--json")
    assert (undone.code, undone.json["changed"]) == (0, True)
    assert undone.json["undone"]["files"] == shown.json["undone"]["files"]
    assert files(host.root) == before
    assert host("render-config", "--undo").code == 2, "nothing is left to undo"


@needs("postconf")
def test_undo_goes_back_one_installation_at_a_time(host: DkimctlInside) -> None:
    """The last one first; then the one before."""
    before = files(host.root)
    assert host("render-config", "--install").code == 0
    first = files(host.root)
    assert (
        host("render-config", "--install", "--trusted-host", "10.0.0.0/8", "--milter-default-action", "accept").code
        == 0
    )
    assert host("render-config", "--undo").code == 0
    assert files(host.root) == first
    assert host("render-config", "--undo").code == 0
    assert files(host.root) == before


@pytest.mark.parametrize("place", ["etc/opendkim.conf", "etc/opendkim/SigningTable", "etc/postfix/main.cf"])
@needs("postconf")
def test_a_file_that_was_changed_since_is_not_overwritten(host: DkimctlInside, place: str) -> None:
    """Refused with its name, and nothing is changed; the dry run says so too."""
    assert host("render-config", "--install").code == 0
    with (host.root / place).open("a") as stream:
        stream.write("# by hand\n")
    changed = files(host.root)
    for options in ((), ("--dry-run",)):
        refused = host("render-config", "--undo", *options)
        assert (refused.code, f"/{place} was changed" in refused.err) == (1, True)
    assert files(host.root) == changed


@needs("postconf")
def test_uninstall_leaves_what_others_wrote(host: DkimctlInside) -> None:
    """Lines of people, other milters and keys stay; a second run finds nothing."""
    before = files(host.root)
    assert host("render-config", "--install").code == 0
    shown = host("uninstall", "--dry-run", "--json")
    assert (shown.code, shown.json["changed"]) == (0, False)
    done = host("uninstall", "--json")
    assert (done.code, done.json["changed"]) == (0, True)
    assert done.json["uninstalled"]["configuration"]["files"] == shown.json["uninstalled"]["configuration"]["files"]
    assert files(host.root) == before
    again = host("uninstall", "--json")
    assert (again.code, again.json["changed"]) == (0, False)


@needs("postconf")
@pytest.mark.parametrize("signer", ["rspamd", "dkimpy-milter"])
def test_copies_of_keys_go_unless_they_are_all_there_is(host: DkimctlInside, signer: str) -> None:
    """A signer's own copy of a key that is in the store has served; one whose key is gone, or another one, stays."""
    for domain in ("example.org", "example.net"):
        assert host("genkey", domain, "-s", "copied", "--algorithm", "ed25519").code == 0
    assert host("render-config", "--signer", signer, "--install", "--allow-unproven").code == 0
    [place] = [host.root / path for path in COPIES if (host.root / path).exists()]
    (host.root / "etc/opendkim/keys/example.net/copied.private").unlink()
    (place / "other.key").write_text("a key of another user")
    planned = host("uninstall", "--dry-run", "--json").json["uninstalled"]["configuration"]["files"]
    assert (place / "copied._domainkey.example.org.key").exists()
    assert host("uninstall", "--json").json["uninstalled"]["configuration"]["files"] == planned
    assert {path.name for path in place.iterdir()} == {"copied._domainkey.example.net.key", "other.key"}


@needs("postconf")
def test_copies_that_a_file_of_a_persons_names_stay(host: DkimctlInside) -> None:
    """Someone wrote their own configuration around them: mail goes on being signed."""
    assert host("genkey", "example.org", "-s", "copied").code == 0
    assert host("render-config", "--signer", "rspamd", "--install", "--allow-unproven").code == 0
    copy = host.root / COPIES[0] / "copied._domainkey.example.org.key"
    write(host.root, "/etc/rspamd/local.d/dkim_signing.conf", f'path = "/{COPIES[0]}/$selector.key";\n')
    assert host("uninstall").code == 0
    assert copy.exists()


@needs("postconf")
def test_uninstall_keeps_milters_that_came_later(host: DkimctlInside) -> None:
    """A milter that was added after dkimctl's stays in both lists."""
    assert host("render-config", "--install").code == 0
    main_cf = host.root / "etc/postfix/main.cf"
    text = main_cf.read_text()
    main_cf.write_text(text.replace("inet:localhost:9999", "inet:localhost:9999, inet:localhost:7"))
    assert host("uninstall").code == 0
    assert "smtpd_milters = inet:localhost:9999, inet:localhost:7\n" in main_cf.read_text()
    assert "opendkim.sock" not in main_cf.read_text()


def test_an_adopted_installation_is_given_back_by_adopt(host: DkimctlInside) -> None:
    """uninstall would take away what signed before dkimctl came."""
    write(host.root, "/var/backups/dkimctl/adopted.json", "{}")
    refused = host("uninstall")
    assert (refused.code, "adopt --undo" in refused.err) == (1, True)


SCRIPT = """
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
postconf -e maillog_file=/var/log/mail.log myhostname=relay.example.net inet_interfaces=loopback-only \
  'mydestination=localhost, relay.example.net' alias_maps= default_transport=local
dkimctl() { "$PYTHON" -m dkimctl "$@" --json 2>/tmp/stderr; printf '%s\\n' "{\\"words\\": \\"$*\\", \\"code\\": $?}"; }
quietly() { "$@" > /tmp/quiet 2>&1; }
mail() {
  printf 'From: a@example.com\\nSubject: %s\\n\\nx\\n' "$1" | sendmail -f a@example.com root@localhost
  n=0; until grep -qs "^Subject: $1" /var/mail/root || [ $n -gt 40 ]; do n=$((n + 1)); sleep 0.25; done
  signed=$(sed -n "/^From a@/h;/^[^F]/H;/^Subject: $1/{x;p;q}" /var/mail/root 2>/dev/null | grep -c DKIM-Signature)
  arrived=$(grep -s "^Subject: $1" /var/mail/root | wc -l)
  printf '{"words": "mail %s", "code": %s}\\n' "$1" $((arrived * 10 + signed))
}
pid=/run/opendkim/opendkim.pid
started() { quietly opendkim -x /etc/opendkim.conf; until [ -s $pid ]; do sleep 0.05; done; }
stopped() { read parent < $pid; kill -9 $parent $(cat /proc/$parent/task/$parent/children); rm -f $pid; }
restarted() { stopped; started; }
mkdir -p /run/opendkim; chown opendkim /run/opendkim
quietly postfix start; started
mail before
quietly dkimctl genkey example.com
quietly dkimctl render-config --install --allow-unproven; restarted; dkimctl render-config --install
mail during
dkimctl render-config --undo; restarted; dkimctl render-config --undo; restarted
mail undone
quietly dkimctl render-config --install --allow-unproven; restarted; dkimctl render-config --install
mail again
dkimctl uninstall; restarted
mail uninstalled
quietly dkimctl render-config --install --allow-unproven; restarted; dkimctl render-config --install
stopped; quietly dpkg --purge --force-depends opendkim
mail purged
dkimctl doctor --no-dns
dkimctl uninstall
mail without
quietly postfix stop
"""


@pytest.mark.long
@needs("opendkim", "postfix", root=True, namespaces=True)
def test_mail_flows_before_during_and_after() -> None:
    """With the real daemons: signed while installed, unsigned and delivered before, after undo, after uninstall.

    After opendkim was purged mail stops; doctor says why and how to go on, and `uninstall` lets it flow.
    """
    if not box_works():
        pytest.skip("a throw-away copy of this machine is needed (root, unshare, overlay)")
    ended = run_in_box("sh", "-c", SCRIPT, PYTHONPATH=str(REPOSITORY), PYTHON=sys.executable)
    told: list[tuple[str, int, Any]] = list(documents(ended.stdout))
    mails = {words.removeprefix("mail "): code for words, code, _ in told if words.startswith("mail ")}
    unsigned, signed, missing = 10, 11, 0
    assert mails == {
        "before": unsigned,
        "during": signed,
        "undone": unsigned,
        "again": signed,
        "uninstalled": unsigned,
        "purged": missing,
        "without": unsigned,
    }, ended.stdout + ended.stderr
    [findings] = [document["findings"] for words, _, document in told if words.startswith("doctor")]
    [found] = findings
    assert found["code"] == "DKIM991"
    assert re.search("milter_default_action = (tempfail|shutdown): ", found["seen"]), (
        "newer Postfix shuts down by itself"
    )
    assert "dkimctl uninstall" in found["fix"]
    assert json.dumps(told).count('"restart"') >= 2, "without systemd a person restarts opendkim, and is told so"


KILLED = """
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
postconf -e maillog_file=/var/log/mail.log inet_interfaces=loopback-only alias_maps= 'mydestination=localhost'
quietly() { "$@" > /tmp/quiet 2>&1; }
dkimctl() { "$PYTHON" -m dkimctl "$@"; }
killed() { DKIMCTL_CONFIG=/root/deadly.toml dkimctl "$@" >/tmp/quiet 2>&1; [ $? = 137 ] || cat /tmp/quiet; }
ended() { dkimctl "$@" --json 2>/tmp/stderr; echo $?; }
pid=/run/opendkim/opendkim.pid
started() { quietly opendkim -x /etc/opendkim.conf; until [ -s $pid ]; do sleep 0.05; done; }
stopped() { read parent < $pid; kill -9 $parent $(cat /proc/$parent/task/$parent/children); rm -f $pid; }
mkdir -p /run/opendkim /root/deadly; chown opendkim /run/opendkim
quietly postfix start; started
quietly dkimctl genkey example.com
printf '#!/bin/sh\\n[ $3 = status ] || kill -9 $PPID\\n' > /root/deadly/postfix; chmod 755 /root/deadly/postfix
printf '[paths]\\nprograms = ["/root/deadly"]\\n' > /root/deadly.toml
"""
INSTALL = "render-config --install --allow-unproven"
KILLED_INSTALL = f"""
quietly dkimctl {INSTALL}; stopped; started
killed {INSTALL}
ended {INSTALL}; ended {INSTALL}
sleep 0.1; touch /etc/opendkim/KeyTable; ended {INSTALL}; ended {INSTALL}
quietly postfix stop
"""
KILLED_UNINSTALL = """
quietly dkimctl render-config --install --allow-unproven --signer rspamd
quietly dkimctl render-config --install --allow-unproven; stopped; started
quietly dkimctl render-config --install --allow-unproven
killed uninstall
ended uninstall; ended uninstall; stopped; started; ended uninstall; ended uninstall
quietly postfix stop
"""


def ends(script: str) -> list[tuple[Any, int]]:
    """Return the documents and exit codes of the commands that were not killed."""
    if not box_works():
        pytest.skip("a throw-away copy of this machine is needed (root, unshare, overlay)")
    ended = run_in_box("sh", "-c", KILLED + script, PYTHONPATH=str(REPOSITORY), PYTHON=sys.executable)
    found = re.findall(r"(?ms)^(\{.*?^\})\n(\d+)$", ended.stdout)
    assert "".join(f"{text}\n{code}\n" for text, code in found) == ended.stdout, ended.stdout + ended.stderr
    return [(json.loads(text), int(code)) for text, code in found]


@pytest.mark.long
@needs("opendkim", "postfix", root=True, namespaces=True)
def test_the_next_installation_reloads_what_a_killed_one_did_not() -> None:
    """Killed between main.cf and Postfix's reload, or before the signer's: the next one changes nothing and reloads."""
    told = []
    for document, code in ends(KILLED_INSTALL):
        assert (code, document["changed"]) == (0, False)
        told.append([(document["installed"][name] or {}).get("step") for name in ("daemon", "postfix")])
    assert told == [["none", "reload"], ["none", None], ["reload", None], ["none", None]]


@pytest.mark.long
@needs("opendkim", "postfix", root=True, namespaces=True)
def test_daemons_are_told_by_the_next_uninstallation_when_one_was_killed() -> None:
    """Killed after the files changed and before Postfix was told: the next run finds no file to change, and tells it.

    Until a person has restarted the signer each run says so; after that copies of keys go, and then nothing is left.
    """
    runs = [(document["uninstalled"]["configuration"], code) for document, code in ends(KILLED_UNINSTALL)]
    told = [(code, [daemon["step"] for daemon in done["daemons"]], len(done["files"])) for done, code in runs]
    assert told == [(3, ["reload", "restart"], 0), (3, ["restart"], 0), (0, [], 1), (0, [], 0)]
