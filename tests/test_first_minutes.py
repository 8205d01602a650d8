"""The first minutes on a host: every answer says what to type next, and that works."""

import json
import sys
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from dkimctl.adopt.kept_settings import KeptSetting, missing_settings
from dkimctl.config.load import load_settings
from dkimctl.signers.service import Action, Service, reload_daemon
from tests.box import box_works, run_in_box
from tests.conftest import REPOSITORY, DkimctlInside, needs
from tests.reachable import reachable_for_all
from tests.rendering import manage, settings_for, write

DEBIAN_CONF = (
    "Syslog yes\nUserID opendkim\nSocket local:/run/opendkim/opendkim.sock\nPidFile /run/opendkim/opendkim.pid\n"
)
FRESH = """
cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
as_nobody doctor; sudo_less doctor
mv /usr/sbin/opendkim /usr/sbin/opendkim.gone; rm /etc/opendkim.conf; sudo_less doctor
mv /usr/sbin/opendkim.gone /usr/sbin/opendkim; cp /etc/opendkim.conf.kept /etc/opendkim.conf
"$PYTHON" -m dkimctl sandbox --zone example.com > /tmp/sandbox.env & sandbox=$!
until [ -s /tmp/sandbox.env ]; do sleep 0.2; done
. /tmp/sandbox.env
sudo_less genkey example.com -s mail
as_nobody doctor; sudo_less doctor
sudo_less render-config --install
sudo_less publish example.com --provider ovh
sudo_less verify-dns example.com
sudo_less render-config --install
sudo_less render-config --check
sudo_less status
as_nobody record example.com
as_nobody record example.com -s mail
as_nobody verify-dns example.com -s mail
as_nobody verify-dns example.com
kill $sandbox
"""
PRELUDE = """
cp /etc/opendkim.conf /etc/opendkim.conf.kept
said() { printf '%s\\n' "{\\"words\\": \\"$*\\", \\"code\\": $?}"; }
sudo_less() { "$PYTHON" -m dkimctl "$@" --json < /dev/null 2>/dev/null; said "$@"; }
nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
as_nobody() { $nobody "$PYTHON" -m dkimctl "$@" --json 2>/dev/null; said "$@"; }
cd /tmp; chmod 1777 /tmp
"""


@pytest.fixture(scope="module")
def walked() -> list[tuple[str, int, Any]]:
    """Each command of FRESH in order: its words, its exit code, its document."""
    if not box_works():
        pytest.skip("a throw-away copy of this machine is needed (root, unshare, overlay)")
    script = reachable_for_all() + "\nset +e\n" + PRELUDE + FRESH
    ended = run_in_box("sh", "-c", script, PYTHONPATH=str(REPOSITORY), PYTHON=sys.executable)
    return list(documents(ended.stdout))


def documents(text: str) -> Any:
    """Yield the words, the exit code and the document of each command in such an output."""
    decoder, place, last = json.JSONDecoder(), 0, None
    while place < len(text.rstrip()):
        value, place = decoder.raw_decode(text, place)
        place += len(text[place:]) - len(text[place:].lstrip())
        if "words" in value:
            yield value["words"], value["code"], last
            last = None
        else:
            last = value


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_doctor_says_one_thing_on_a_fresh_host(walked: list[tuple[str, int, Any]]) -> None:
    """As root and as nobody, and without opendkim: one finding, whose command does everything."""
    fixes = [[f["fix"] for f in document["findings"]] for words, _, document in walked[:3]]
    assert fixes[:2] == [["sudo dkimctl setup DOMAIN"]] * 2
    assert fixes[2] == ["sudo apt-get install opendkim && sudo dkimctl setup DOMAIN"]
    assert [code for _, code, _ in walked[:3]] == [1, 1, 1]


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_doctor_goes_on_with_the_domain_whose_key_waits(walked: list[tuple[str, int, Any]]) -> None:
    """A key that was never published: `setup` of this domain; who may not see the keys is told to ask as root."""
    [(_, _, closed), (_, _, shown)] = walked[4:6]
    assert [(f["code"], f["fix"]) for f in closed["findings"]] == [("DKIM990", "sudo dkimctl doctor")]
    assert [(f["code"], f["fix"]) for f in shown["findings"]] == [("DKIM720", "sudo dkimctl setup example.com")]


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_the_steps_of_the_readme_end_with_a_key_that_signs(walked: list[tuple[str, int, Any]]) -> None:
    """render-config refuses the unpublished key, installs the published one, and status says that it signs."""
    steps = {words: (code, document) for words, code, document in walked[6:]}
    assert walked[6][:2] == ("render-config --install", 1)
    assert "--allow-unproven" in walked[6][2]["error"]["hint"]
    assert steps["publish example.com --provider ovh"][0] == 0
    assert (steps["render-config --install"][0], steps["render-config --check"][0]) == (0, 0)
    [key] = steps["status"][1]["status"]["keys"]
    assert (key["phase"], key["next"]) == ("active", None)


@needs("opendkim", "postfix", root=True, namespaces=True)
def test_what_is_public_needs_no_rights(walked: list[tuple[str, int, Any]]) -> None:
    """nobody gets the published record, and its check; the comparison with the key takes root, and says so."""
    record, named, checked, compared = walked[-4:]
    assert record[1] == named[1] == checked[1] == 0
    assert record[2]["records"][0]["owner"] == "mail._domainkey.example.com"
    assert record[2] == named[2]
    assert [report["verdict"] for report in checked[2]["reports"]] == ["right"]
    assert compared[1] == 3, "without -s the selectors are in a directory that nobody may read"


def test_an_unpublished_key_is_not_installed(dkimctl_inside: DkimctlInside) -> None:
    """Exit 1 and nothing written, unless told so; once it signs, later runs keep it and say what is missing."""
    assert dkimctl_inside("genkey", "example.com", "--algorithm", "ed25519").code == 0
    refused = dkimctl_inside("render-config", "--install")
    assert refused.code == 1
    assert refused.err.count("DNS has not been seen to serve the key of example.com") == 1
    assert "dkimctl publish example.com" in refused.err
    assert not (dkimctl_inside.root / "etc/opendkim.conf").exists()
    assert dkimctl_inside("render-config", "--install", "--allow-unproven").code == 0
    again = dkimctl_inside("render-config", "--install")
    assert (again.code, "publish it" in again.err) == (0, True)
    assert dkimctl_inside("genkey", "example.net", "--algorithm", "ed25519").code == 0
    assert "key of example.net" in dkimctl_inside("render-config", "--install").err


def test_setup_takes_the_signer(dkimctl_inside: DkimctlInside) -> None:
    """As render-config does; how to keep it is said, and an unknown one is refused with the names."""
    zone = write(dkimctl_inside.root, "/db.example.com", "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\n")
    options = ("--provider", f"zonefile:{zone}", "--timeout", "0", "--signer")
    ran = dkimctl_inside("setup", "example.com", *options, "rspamd", "--nameserver", "127.0.0.1:9")
    assert "[signing]" in ran.err
    assert "opendkim" in dkimctl_inside("setup", "example.com", *options, "exim").err


@pytest.mark.parametrize(
    ("program", "advice"), [("sh", "start it: "), ("no-such-daemon", "install it: apt-get install ")]
)
def test_what_is_missing_is_installed_before_it_is_started(program: str, advice: str) -> None:
    """No command is proposed that fails because the daemon is not installed."""
    service = Service(program, "", "start it by hand", None, "", 0, 0)
    told = reload_daemon(Action.RESTART, service, None)
    assert (told.step, told.done) == (Action.START, False)
    assert told.hint.startswith(advice)


def test_remove_means_delete(dkimctl_inside: DkimctlInside) -> None:
    """What only looks like another command is not proposed."""
    assert "did you mean: dkimctl delete" in dkimctl_inside("remove", "example.com").err


def test_doctor_of_a_fresh_tree(dkimctl_inside: DkimctlInside) -> None:
    """The package's own opendkim.conf is known by dpkg's digest: below --root too one thing is said."""
    write(dkimctl_inside.root, "/etc/opendkim.conf", DEBIAN_CONF)
    digest = md5(DEBIAN_CONF.encode()).hexdigest()
    write(dkimctl_inside.root, "/var/lib/dpkg/status", f"Conffiles:\n /etc/opendkim.conf {digest}\n")
    [found] = dkimctl_inside("doctor", "--json").json["findings"]
    assert found["fix"] == f"sudo dkimctl setup DOMAIN --root {dkimctl_inside.root}"
    manage(settings_for(dkimctl_inside.root), "example.com")
    codes = [found["code"] for found in dkimctl_inside("doctor", "--json").json["findings"]]
    assert len(codes) > 1, "a proven key: it is to be installed, and everything else counts"


def test_what_adopt_advises_is_toml(tmp_path: Path) -> None:
    """Lines to paste: below the header of a table that is there, new tables at the end; the file is then complete."""
    source = write(tmp_path, "/dkimctl.toml", '[signing]\ntables = "file"\n')
    wanted = (
        KeptSetting("signing", "tables", "refile"),
        KeptSetting("signing", "trusted_hosts", ("10.0.0.0/8",)),
        KeptSetting("keys", "owner", "dkim:dkim"),
        KeptSetting('domains."example.com"', "subdomains", False),
    )
    settings = replace(settings_for(tmp_path), source=source)
    new, below = missing_settings(settings, wanted)
    assert "[signing]" in below.hint
    source.write_text("\n".join(("[signing]", *below.lines, "", *new.lines, "")))
    assert missing_settings(load_settings(str(source), str(tmp_path)), wanted) == ()
