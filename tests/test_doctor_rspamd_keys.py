"""`doctor` where rspamd, made by hand, signs: its keys are judged by its effective configuration, as opendkim's are."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import needs
from tests.doctor_cases import WEAK, pem
from tests.real.machine import Machine

pytestmark = needs("rspamadm", "postfix", "postconf", root=True, namespaces=True)
PLACE = "/etc/dkimkeys"
SEED = "fL+5V9EquCZAovKik3pA6Lk9zwCzoEtjIuIqK9ZXHHA=\n"
KEYS = {
    "good.tld": (pem().decode(), "_rspamd", "600", set()),
    "open.tld": (pem().decode(), "root", "644", set()),  # rspamd does not mind
    "seed.tld": (SEED, "_rspamd", "600", set()),
    "closed.tld": (pem().decode(), "root", "600", {"DKIM602"}),
    "junk.tld": ("junk\n", "_rspamd", "600", {"DKIM611"}),
    "ed.tld": (pem("ed25519").decode(), "_rspamd", "600", {"DKIM611"}),
    "short.tld": (pem("rsa", 1024).decode(), "_rspamd", "600", {"DKIM616"}),
    "weak.tld": (WEAK.decode(), "_rspamd", "600", {"DKIM613"}),
    "missing.tld": ("", "", "", {"DKIM601"}),
}
TABLES = "".join(f'"{d}" {{ selectors = [ {{ selector = "s1"; path = "{PLACE}/{d}.key"; }} ] }}\n' for d in KEYS)
FORMS = {
    "tables of domains": f"domain {{\n{TABLES}}}\n",
    "maps": 'selector_map = "/etc/rspamd/selectors";\npath_map = "/etc/rspamd/paths";\n',
    "a path with variables": f'selector = "s1";\npath = "{PLACE}/$domain.key";\n',
}


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Keys of every kind; dkimctl is told that rspamd signs."""
    with Machine(tmp_path) as running:
        running.run("mkdir", "-p", PLACE, "/etc/rspamd/local.d", "/etc/dkimctl")
        running.run("chmod", "755", PLACE)
        for domain, (text, owner, mode, _) in KEYS.items():
            if text:
                running.write(f"{PLACE}/{domain}.key", text)
                running.run("chown", owner, f"{PLACE}/{domain}.key")
                running.run("chmod", mode, f"{PLACE}/{domain}.key")
        running.write("/etc/rspamd/selectors", "".join(f"{domain} s1\n" for domain in KEYS))
        running.write("/etc/rspamd/paths", "".join(f"{domain} {PLACE}/{domain}.key\n" for domain in KEYS))
        running.write("/etc/dkimctl/dkimctl.toml", '[signing]\nsigner = "rspamd"\n')
        yield running


def about_keys(machine: Machine, *more: str) -> dict[str, dict[str, Any]]:
    """The findings of doctor about key files, by domain."""
    told = machine.dkimctl("doctor", "--json", *(more or ("--no-dns",)), check=False)
    found = [f for f in json.loads(told.stdout)["findings"] if f["subject"].startswith(PLACE)]
    return {Path(f["subject"]).name.removesuffix(".key"): f for f in found}


@pytest.mark.parametrize("form", FORMS)
def test_each_key_is_judged(machine: Machine, form: str) -> None:
    """Missing, closed to _rspamd, no key, too small, Ed25519 as PEM: found under opendkim's codes, however named."""
    machine.write("/etc/rspamd/local.d/dkim_signing.conf", FORMS[form])
    found = about_keys(machine)
    wanted = {domain: codes for domain, (*_, codes) in KEYS.items() if codes}
    if form == "a path with variables":
        wanted.pop("missing.tld")  # no file, and so nothing that names the domain
    assert {domain: {f["code"]} for domain, f in found.items()} == wanted
    assert "base64 of its seed" in found["ed.tld"]["seen"]


def test_the_fix_of_a_missing_key_makes_one(machine: Machine) -> None:
    """The printed command makes the key where rspamd looks for it, and rspamd's user can read it."""
    machine.write("/etc/rspamd/local.d/dkim_signing.conf", FORMS["tables of domains"])
    machine.run("sh", "-c", about_keys(machine)["missing.tld"]["fix"])
    assert "missing.tld" not in about_keys(machine)


LOOKED_UP = """
from dkimctl.config.settings import Settings, Signing
from dkimctl.doctor.configured_keys import configured_targets
from dkimctl.host.world import read_world
for target in configured_targets(read_world(Settings(signing=Signing(signer="rspamd")))):
    print(target.owner, target.expected is not None)
"""


def test_the_records_to_look_up(machine: Machine) -> None:
    """With --dns the record of each key is compared with the key file, where that holds a key in PEM form."""
    machine.write("/etc/rspamd/local.d/dkim_signing.conf", FORMS["maps"])
    told = dict(line.split() for line in machine.run(sys.executable, "-c", LOOKED_UP).stdout.splitlines())
    assert told.keys() == {f"s1._domainkey.{domain}" for domain in KEYS}
    without = {"seed.tld", "junk.tld", "missing.tld"}
    assert {name for name, has_key in told.items() if has_key == "False"} == {f"s1._domainkey.{d}" for d in without}
