"""rspamd that was made by hand: what of its own configuration keeps mail unsigned, read with the real rspamadm."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.programs import run_program
from dkimctl.signers.rspamd.configdump import suffix_list
from dkimctl.signers.rspamd.suffixes import registered_domain, suffixes_in
from tests.conftest import needs
from tests.real.machine import Machine

pytestmark = needs("rspamadm", "postfix", "postconf", root=True, namespaces=True)

DECIDED = """
import sys
from dkimctl.signers.rspamd.effective import reasons_for_unsigned
print(*reasons_for_unsigned(sys.argv[1], "127.0.0.1", sys.argv[2]), sep=" | ")
"""
ASK = """
import sys
from dkimctl.signers.rspamd.effective import reasons_for_unsigned
from dkimctl.signers.rspamd.configdump import milter_socket
print(milter_socket())
for client in ("127.0.0.1", "203.0.113.9"):
    print(client, sys.argv[1], *reasons_for_unsigned(sys.argv[1], client, ""), sep=" | ")
"""
DOMAIN = 'domain { "old.tld" { selectors = [ { selector = "s1"; path = "/etc/dkimkeys/old.key"; } ] } }\n'


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A key for old.tld, and none for others."""
    with Machine(tmp_path) as running:
        running.run("mkdir", "-p", "/etc/dkimkeys", "/etc/rspamd/local.d")
        running.write("/etc/dkimkeys/old.key", "-\n")
        yield running


@pytest.mark.parametrize(
    "signing",
    [
        DOMAIN,
        'selector = "s1";\npath = "/etc/dkimkeys/$domain.key";\nsign_networks = "/etc/rspamd/nets";\n',
        'selector_map = "/etc/rspamd/selectors";\npath_map = "/etc/rspamd/paths";\n',
    ],
)
def test_maps_paths_and_domains_are_read(machine: Machine, signing: str) -> None:
    """A domain's own table, a path with variables, and maps: the reason names the file that is missing."""
    machine.run("cp", "/etc/dkimkeys/old.key", "/etc/dkimkeys/old.tld.key")
    machine.write("/etc/rspamd/local.d/dkim_signing.conf", signing)
    machine.write("/etc/rspamd/nets", "192.0.2.0/24\n")
    machine.write("/etc/rspamd/selectors", "old.tld s1\n")
    machine.write("/etc/rspamd/paths", "old.tld /etc/dkimkeys/old.key\n")
    told = machine.run(sys.executable, "-c", ASK, "old.tld").stdout.splitlines()
    assert told[0] == "inet:11332@localhost"
    assert told[1] == "127.0.0.1 | old.tld"
    assert "not local, not in sign_networks" in told[2]
    other = machine.run(sys.executable, "-c", ASK, "new.tld").stdout.splitlines()
    assert "looks for the key of new.tld at" in other[1]


PATHS = 'selector = "s1";\npath = "/etc/dkimkeys/$domain.key";\n'


@pytest.mark.parametrize(
    ("signing", "sender", "login", "words"),
    [
        (PATHS, "old.tld", "", ""),
        (PATHS, "sub.old.tld", "", "looks for the key of sub.old.tld at"),  # tld is no suffix of rspamd's list
        (PATHS, "mail.abc.de", "", "looks for the key of abc.de at"),  # use_esld
        (PATHS, "a.example.co.uk", "", "looks for the key of example.co.uk at"),
        (PATHS + "use_esld = false;\n", "sub.old.tld", "", "looks for the key of sub.old.tld at"),
        (PATHS, "sub.new.de", "", "looks for the key of new.de at /etc/dkimkeys/new.de.key"),
        (PATHS, "sub.abc.de", "bob@abc.de", "looks for the key of abc.de at"),
        (PATHS, "old.tld", "bob", "the login bob has no domain, and allow_username_mismatch is off"),
        (PATHS, "old.tld", "bob@new.tld", "the login is of new.tld and the mail of old.tld"),
        (PATHS + "allow_username_mismatch = true;\n", "old.tld", "bob", ""),
        (PATHS + 'use_domain = "auth";\n', "new.tld", "bob@old.tld", ""),
        (PATHS + 'use_domain = "auth";\n', "old.tld", "", "use_domain = auth, and there is no login"),
        (PATHS + 'use_domain = "old.tld";\n', "new.tld", "", ""),
        (PATHS + 'use_domain_sign_local = "new.tld";\n', "old.tld", "", "looks for the key of new.tld"),
        (PATHS + 'use_domain = "recipient";\n', "old.tld", "", "the recipient decides"),
    ],
)
def test_which_domain_decides(machine: Machine, signing: str, sender: str, login: str, words: str) -> None:
    """As in rspamd's own order: the setting for this client, the registered domain, the login's domain, the key."""
    machine.run("cp", "/etc/dkimkeys/old.key", "/etc/dkimkeys/old.tld.key")
    machine.write("/etc/rspamd/local.d/dkim_signing.conf", signing)
    told = machine.run(sys.executable, "-c", DECIDED, sender, login).stdout.strip()
    assert words in told if words else told == ""


NAMES = [
    *("a.b.example.com", "mail.example.co.uk", "a.github.io", "x.y.act.edu.au", "deep.a.b.act.edu.au", "uk.com", "com"),
    *("foo.bar.kawasaki.jp", "city.kawasaki.jp", "a.b.kawasaki.jp", "x.www.ck", "a.b.ck", "z.y.x.bd", "a.b.uk.com"),
    *("mail.abc.de", "a.b.ab.cd", "b.a.cn.com", "a.b.example.test", "localhost", "x.b.c.compute.amazonaws.com"),
    *("a.b.xn--55qx5d.cn", "sub.xn--55qx5d.cn", "a.b.公司.cn", "a.example.onion", "x.a.org.pl"),
    *("b.s3.amazonaws.com", "a.nom.br"),
]


def test_registered_domains_are_those_of_rspamd(tmp_path: Path) -> None:
    """By rspamd's own list and in its own way, exceptions and unknown top-level domains included.

    rspamd gets the rules that could count for these names alone: all of them take it 20 s of processor time.
    """
    rules = suffix_list().read_text(encoding="utf-8")
    ends = {name.rpartition(".")[2] for name in NAMES}
    few = tmp_path / "suffixes"
    few.write_text("".join(f"{rule}\n" for rule in rules.split("\n") if rule.rpartition(".")[2] in ends))
    script = tmp_path / "tld.lua"
    asked = "\n".join(f'print(require("rspamd_util").get_tld("{name}"))' for name in NAMES)
    script.write_text(f'require("rspamd_url").init("{few}")\n{asked}\n')
    said = run_program("rspamadm", "lua", str(script)).out.split()
    suffixes = suffixes_in(rules)
    assert [registered_domain(name, suffixes) for name in NAMES] == said
