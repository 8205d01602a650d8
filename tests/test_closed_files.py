"""What an ordinary user may not read: a command that needs it says so with a hint, and never that all is well."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import Scratch, needs, open_to_others
from tests.host_tree import Tree
from tests.reachable import reachable_for_all
from tests.rendering import manage, settings_for

BAD, GOOD = "bad.example", "example.net"
DOCTOR, WHY, ROTATE = "doctor --no-dns", "why a@bad.example --no-dns", "rotate --dry-run"
VERIFY = "verify-dns --nameserver 127.0.0.1:1"
NEEDED = {
    "/etc/dkimctl": (DOCTOR, WHY, ROTATE, VERIFY, "status", "render-config", "adopt", "record", "publish --dry-run"),
    "/etc/dkimctl/dkimctl.toml": ("status --format nagios", "record"),
    "/etc/opendkim.conf": (DOCTOR, WHY, "adopt"),
    "/etc/opendkim/KeyTable": (DOCTOR, WHY, ROTATE, "status", "status --format prometheus"),
    "/etc/opendkim/SigningTable": (DOCTOR, "render-config", "adopt"),
    "/etc/opendkim/TrustedHosts": (WHY, "render-config", "adopt"),
    f"/etc/opendkim/keys/{BAD}": (ROTATE, "status", "record"),
    f"/etc/opendkim/keys/{BAD}/mail.json": (ROTATE, VERIFY, "status", "render-config", "record"),
    f"/etc/opendkim/keys/{BAD}/mail.private": (VERIFY, "adopt", "record"),
    "/etc/postfix/main.cf": (DOCTOR, "render-config"),
    "/var/spool": (DOCTOR,),
    "/var/lib/dkimctl": (ROTATE, "status"),
}
"""Path → the commands whose answer depends on it."""
ADVICE = ("hint: ", "fix: ", "sudo dkimctl why")


@needs("postconf", root=True, namespaces=True)
def test_what_is_closed_is_said(scratch: Scratch) -> None:
    """Exit 1 or 3, the place, why, and what to do, without a traceback; of the other domains the answer is whole."""
    _host_of_nobody(scratch.root)
    results = _as_nobody(scratch, NEEDED)
    assert len(results) == sum(map(len, NEEDED.values()))
    wrong = [result for result in results if not _is_said(*result)]
    assert wrong == [], "\n".join(map(str, wrong))
    others = {line: GOOD in said for path, line, _, said in results if path == f"/etc/opendkim/keys/{BAD}/mail.json"}
    assert [line for line in others if not others[line]] == ["render-config"], "its rows would be lost"


def _is_said(path: str, line: str, code: int, said: str) -> bool:
    if code not in (1, 3) or "Traceback" in said:
        return False
    if line.endswith("prometheus"):
        return 'code="DKIM990"' in said
    if not any(word in said for word in ADVICE):
        return False
    return path in "".join(said.split()) and "permission denied" in " ".join(said.split()).lower()


@needs(root=True, namespaces=True)
def test_what_is_public_is_had_without_the_configuration(scratch: Scratch) -> None:
    """The package's /etc/dkimctl is for root alone: a key of one's own is made by anybody."""
    (scratch.root / "etc/dkimctl").mkdir(parents=True)
    os.chown(scratch.root / "etc/dkimctl", 65534, 65534)
    os.chown(scratch.home, 65534, 65534)
    line = f"genkey x.example -s x --algorithm ed25519 -D {scratch.home}"
    ((_, _, code, said),) = _as_nobody(scratch, {"/etc/dkimctl": (line,)})
    assert code == 0, said


def _host_of_nobody(root: Path) -> None:
    tree = Tree(root)
    settings = settings_for(root)
    manage(settings, BAD, GOOD)
    tree.write("/etc/dkimctl/dkimctl.toml", "")
    tree.write("/var/lib/dkimctl/rotate.json", '{"schema": 1}')
    for domain in (BAD, GOOD):
        name, key = f"mail._domainkey.{domain}", f"/etc/opendkim/keys/{domain}/mail.private"
        tree.append("/etc/opendkim/KeyTable", f"{name} {domain}:mail:{key}\n")
        tree.append("/etc/opendkim/SigningTable", f"{domain} {name}\n")
    for path in (root, *root.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)


def _as_nobody(scratch: Scratch, wanted: dict[str, tuple[str, ...]]) -> list[tuple[str, str, int, str]]:
    open_to_others(scratch.root)
    become = f'{reachable_for_all()}\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
    ended = subprocess.run(
        ["unshare", "-m", "sh", "-c", become, "sh", sys.executable, "-m", "tests.closed_files", scratch.root],
        env=scratch.environment({"COLUMNS": "400", "PYTHONDONTWRITEBYTECODE": "1"}),
        input=json.dumps(wanted),
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return [(path, line, code, said) for path, line, code, said in json.loads(ended.stdout)]
