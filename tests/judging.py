"""Whether mail of a host tree is signed, as the real opendkim and the real Postfix say (`tests/real/judge.py`)."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dkimctl.dkim.signature import FIELD, verify
from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import parse_private_key
from dkimctl.names import is_aligned, split_owner_name
from dkimctl.record.model import record_for
from tests.conftest import REPOSITORY
from tests.host_tree import MASTER_PATH, POSTFIX, SCAN, Tree, key_pair

SENDER = "contact@example.com"
BOUND = ("/etc", "/home", "/run", "/var/spool/postfix", "/var/lib/postfix")
"""What the tree has of a machine's directories; everything else is this machine's."""


NAMESPACE = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")


@dataclass(frozen=True)
class Mails:
    """The mails that are tried: from whom, by which client (address, name, login), and at which ports of Postfix."""

    senders: Sequence[str] = (SENDER,)
    client: Sequence[str] = ("127.0.0.1", "localhost", "")
    ports: Sequence[int] = field(default=())
    """0 for sendmail(1); none to ask the daemon alone, as Postfix's user."""
    source: str = "127.0.0.1"
    """The address from which Postfix gets it: an internal one, or OUTSIDER."""


OUTSIDER = "192.0.2.7"
_SCAN = """\
#!/bin/sh
sender=$2; shift 3
{ cat; echo "-- scanned"; } | /usr/sbin/sendmail -G -i -f "$sender" -- "$@"
"""
"""The content filter of a pipe(8) transport, as FILTER_README has it."""


def unsigned(tree: Tree, mails: Mails) -> list[str]:
    """Ask the real programs; returns what is wrong with each mail that has no valid, aligned signature."""
    answer = _judged(tree, mails)
    if answer["failed"]:
        return [f"opendkim does not start: {answer['failed']}"]
    if not answer["milter"]:
        return ["opendkim does not answer where Postfix asks"]
    found = [] if answer["has_pid_file"] else ["there is no PID file, for which systemd waits"]
    seen = [(f"{sender} at the milter", sender, made) for sender, made in answer["milter"].items()]
    seen += [(f"{SENDER} at {port}", mails.senders[0], made) for port, made in answer["postfix"].items()]
    return [*found, *(f"{what}: {problem}" for what, sender, made in seen if (problem := _problem(tree, sender, made)))]


def signed_from_outside(tree: Tree, port: int = 25) -> bool:
    """Return whether Postfix sends mail from another host with one of our domains in From with our signature."""
    answer = _judged(tree, Mails(ports=(port,), source=OUTSIDER))
    [made] = answer["postfix"].values()
    if made["verdict"].startswith("ConnectionRefusedError"):
        return False
    assert made["mail"], (made, answer["failed"])
    return FIELD in made["mail"]


def _judged(tree: Tree, mails: Mails) -> dict[str, Any]:
    """Return what the judge saw."""
    tree.copy_postfix_files()
    _complete(tree)
    tree.directory("/var/lib/postfix", 0o755, POSTFIX)
    if not tree.at("/etc/hosts").exists():
        tree.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n")
    binds = [f"mount --bind {tree.at(place)} {place}" for place in BOUND]
    script = " && ".join(
        (
            *binds,
            "ip link set lo up",
            f"ip addr add {OUTSIDER}/32 dev lo",
            "cd /",
            f'exec "{sys.executable}" -m tests.real.judge "$1"',
        )
    )
    asked = {
        "senders": list(mails.senders),
        "client": list(mails.client),
        "ports": list(mails.ports),
        "source": mails.source,
    }
    ended = subprocess.run(
        [*NAMESPACE, "sh", "-c", script, "sh", tree.root],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout)
    return answer


def _complete(tree: Tree) -> None:
    """Add to master.cf what every Postfix has, such as cleanup and qmgr; nothing that listens to the network."""
    there = {tuple(line.split()[:2]) for line in tree.at(MASTER_PATH).read_text().splitlines() if line[:1].strip()}
    usual = Path("/usr/share/postfix/master.cf.dist").read_text().replace("#dnsblog", "dnsblog").splitlines()
    rows = [line for line in usual if line[:1].isalpha() and line.split()[1] == "unix"]
    missing = [line for line in rows if tuple(line.split()[:2]) not in there and line.split()[7:] != ["pipe"]]
    tree.append(MASTER_PATH, "".join(f"{line}\n" for line in missing))
    _complete_filter(tree)


def _complete_filter(tree: Tree) -> None:
    """Add the transport to a content filter, and a user's client that need not log in: it is on this machine."""
    master = tree.at(MASTER_PATH).read_text()
    master += "" if "scan unix" in master else "scan unix - - n - 2 smtp\n"
    tree.write(MASTER_PATH, master.replace("permit_sasl_authenticated,reject", "permit_mynetworks,reject"))
    tree.write(SCAN, _SCAN, 0o755)


def _problem(tree: Tree, sender: str, made: dict[str, str]) -> str:
    """Why a mail is not signed as it should be; empty when it is."""
    raw = made["mail"].encode("latin-1")
    if FIELD.encode() not in raw:
        return f"not signed ({made['verdict']})"
    try:
        signatures = verify(raw, lambda owner: _record(tree, owner))
    except CheckFailed as error:
        return error.message
    right = [s for s in signatures if s.valid and is_aligned(sender.rpartition("@")[2], s.domain)]
    if len(signatures) > 1:
        return f"signed {len(signatures)} times"
    return "" if right else "; ".join(f"d={s.domain} s={s.selector}: {s.why or 'not aligned'}" for s in signatures)


def _record(tree: Tree, owner: str) -> str:
    """The key record: of the selector's file, where dkimctl keeps it, else of the key that every tree has."""
    selector, domain = split_owner_name(owner)
    path = tree.at(f"/etc/opendkim/keys/{domain}/{selector}.private")
    made = parse_private_key(path.read_bytes(), str(path)) if path.exists() else key_pair()
    return record_for(made.public, made.algorithm.value, Tags()).text
