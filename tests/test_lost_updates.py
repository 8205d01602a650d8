"""Two at once: one command is stopped when it reads, locks or writes, and another one, or an editor, comes between.

Nothing that either of them wrote is lost. `DKIMCTL_TEST_FULL=1` stops at every moment of each pair, two at a time;
without it ten random ones are tried.
"""

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from dkimctl.keys.metadata import Phase
from tests.conftest import REPOSITORY, needs
from tests.handmade import plain_files
from tests.rendering import manage, settings_for, write

FULL = bool(os.environ.get("DKIMCTL_TEST_FULL"))
WORKERS = 2 if FULL else 1
ZONE = """\
$TTL 3600
@ IN SOA ns1.example.net. hostmaster.example.net. 2026010101 3600 900 1209600 300
@ IN NS ns1
ns1 IN A 192.0.2.1
"""
HELD = "/etc/opendkim/keys/c.example.net"
SIGNING = "/etc/opendkim/SigningTable"
ZONE_PATH, TABLE, MAIN = "/etc/bind/db.example.net", "/etc/opendkim/KeyTable", "/etc/postfix/main.cf"
PUBLISH = ("--no-wait", "--provider", f"zonefile:{ZONE_PATH}")

pytestmark = needs("postconf", root=True)


@dataclass(frozen=True)
class Writer:
    """Someone who writes, and how one sees afterwards that nothing of it was lost."""

    commands: tuple[tuple[str, ...], ...]
    is_there: Callable[[Path], bool]
    codes: tuple[int, ...] = (0,)
    """How its commands may end when they did their work."""


def text(root: Path, path: str) -> str:
    """A file of the tree."""
    return (root / path.lstrip("/")).read_text()


def saved(path: str) -> tuple[str, ...]:
    """An editor that reads a file, adds a line, and replaces it."""
    script = 'f="$DKIMCTL_ROOT$1"; cp -p "$f" "$f.new"; echo "$2" >> "$f.new"; mv "$f.new" "$f"'
    return ("sh", "-c", script, "sh", path, EDITED[path])


def is_published_again(root: Path, domain: str) -> bool:
    """True when a second key of the domain is on the disk, and its record in the zone file."""
    keys = [path.stem for path in (root / f"etc/opendkim/keys/{domain}").glob("*.private")]
    zone, label = text(root, ZONE_PATH), domain.partition(".")[0]
    return len(keys) == 2 and all(key == "mail" or f"{key}._domainkey.{label}" in zone for key in keys)


def add_rows(root: Path, *domains: str) -> None:
    """Have the daemon sign for these domains, with their key `mail`."""
    for domain in domains:
        name = f"mail._domainkey.{domain}"
        for path, row in (
            (TABLE, f"{name} {domain}:mail:/etc/opendkim/keys/{domain}/mail.private"),
            (SIGNING, f"*@{domain} {name}"),
        ):
            with (root / path.lstrip("/")).open("a") as table:
                table.write(f"{row}\n")


EDITED = {ZONE_PATH: "edited IN A 192.0.2.9", TABLE: "# edited", MAIN: "header_size_limit = 204800"}

FIRST = {
    "genkey": Writer(
        (("genkey", "-s", "n", "one.example.net"),),
        lambda root: (root / "etc/opendkim/keys/one.example.net/n.private").exists(),
    ),
    "publish": Writer(
        (("publish", "a.example.net", *PUBLISH),), lambda root: "mail._domainkey.a" in text(root, ZONE_PATH)
    ),
    "render-config": Writer(
        (("render-config", "--install", "--allow-unproven"),), lambda root: "c.example.net:mail" in text(root, TABLE)
    ),  # the other one may make a key that was not published
    "adopt": Writer(
        (("adopt", "--install"),), lambda root: "\nexample.com example.com:s1:" in text(root, TABLE), (0, 1)
    ),  # 1 for a key in use that is at fault
    "rotate": Writer(
        (("rotate", "--now", "d.example.net"),), lambda root: is_published_again(root, "d.example.net"), (3,)
    ),  # 3: no name server and no daemon of such a tree prove anything
    "hold": Writer((("hold", "c.example.net"),), lambda root: '"held": true' in text(root, f"{HELD}/.lifecycle.json")),
    "delete": Writer(
        (("delete", "f.example.net"),),
        lambda root: not (root / "etc/opendkim/keys/f.example.net/mail.private").exists(),
    ),
}
SECOND = {
    "genkey": Writer(
        (("genkey", "-s", "n", "two.example.net"),),
        lambda root: (root / "etc/opendkim/keys/two.example.net/n.private").exists(),
    ),
    "publish": Writer(
        (("publish", "b.example.net", *PUBLISH),), lambda root: "mail._domainkey.b" in text(root, ZONE_PATH)
    ),
    "a new key installed": Writer(
        (("genkey", "-s", "n", "two.example.net"), ("render-config", "--install", "--allow-unproven")),
        lambda root: "two.example.net:n:" in text(root, TABLE),
    ),
    "adopt": FIRST["adopt"],
    "hold": FIRST["hold"],
    "delete": FIRST["delete"],
    "rotate": Writer(
        (("rotate", "--now", "e.example.net"),), lambda root: is_published_again(root, "e.example.net"), (3,)
    ),
    "postconf": Writer((("postconf", "-c", MAIN, "-e", EDITED[MAIN]),), lambda root: EDITED[MAIN] in text(root, MAIN)),
    **{
        f"editor of {Path(path).name}": Writer((saved(path),), lambda root, path=path: EDITED[path] in text(root, path))  # type: ignore[misc]
        for path in (ZONE_PATH, TABLE)
    },
}
PAIRS = [pair for pair in product(FIRST, SECOND) if pair[0] != pair[1] or pair[0] not in ("adopt", "delete", "hold")]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host with an installation made by hand, keys of dkimctl, and a zone file."""
    root = tmp_path_factory.mktemp("updates") / "pristine"
    plain_files(root)
    settings = settings_for(root)
    manage(settings, "a.example.net", "b.example.net")
    manage(settings, "c.example.net", "d.example.net", "e.example.net", phase=Phase.ACTIVE)
    manage(settings, "f.example.net", phase=Phase.REVOKED)
    add_rows(root, "d.example.net", "e.example.net")
    write(root, ZONE_PATH, ZONE)
    write(root, "/etc/dkimctl/dkimctl.toml", f'provider = "zonefile:{ZONE_PATH}"\n')
    return root


def environment(root: Path) -> dict[str, str]:
    """What both see."""
    own = {"PYTHONPATH": str(REPOSITORY), "DKIMCTL_ROOT": str(root), "HOME": str(root), "COLUMNS": "200"}
    return {"PATH": os.environ["PATH"], **own}


def start(root: Path, *command: str) -> subprocess.Popen[str]:
    """A process with pipes."""
    if command[0] == "postconf":
        command = tuple(str(root / "etc/postfix") if word == MAIN else word for word in command)
    elif command[0] not in ("sh", sys.executable):
        command = (sys.executable, "-m", "dkimctl", *command)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment(root), cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def between(root: Path, first: Writer, second: Writer | None, moment: int) -> tuple[int, list[str]]:
    """Stop `first` at this moment, and let `second` come between; returns how many moments there were, and errors."""
    stopped = start(root, sys.executable, "-m", "tests.paused", str(moment), *first.commands[0])
    assert stopped.stdout
    assert stopped.stdin
    said = stopped.stdout.readline().strip()
    errors = []
    if second is not None:
        ends = _run_all(root, second, stopped if said == "paused" else None)
        errors = [f"the second ended with {code}: {err}" for code, err in ends if code not in second.codes]
    rest, err = stopped.communicate("\n", timeout=120)
    words = (rest if said == "paused" else said).split()
    if len(words) != 3 or int(words[2]) not in first.codes:
        errors.append(f"the first: {words} {err}")
    return int(words[1]) if len(words) == 3 else 0, errors


def _run_all(root: Path, second: Writer, stopped: "subprocess.Popen[str] | None") -> Iterator[tuple[int, str]]:
    for command in second.commands:
        process = start(root, *command)
        try:
            _, err = process.communicate(timeout=4 if stopped else 120)
        except subprocess.TimeoutExpired:  # it waits for a lock that the first one holds
            assert stopped
            assert stopped.stdin
            stopped.stdin.write("\n")
            stopped.stdin.flush()
            stopped = None
            _, err = process.communicate(timeout=120)
        yield process.returncode, err


def fresh(pristine: Path, root: Path) -> Path:
    """A new copy of the tree."""
    if root.exists():
        shutil.rmtree(root)
    subprocess.run(["cp", "-a", pristine, root], check=True)
    return root


def lost(root: Path, pair: tuple[str, str], moment: int) -> list[str]:
    """What is wrong after this pair, stopped at this moment."""
    first, second = FIRST[pair[0]], SECOND[pair[1]]
    points, errors = between(root, first, second, moment)
    errors += [f"lost: {name}" for name, writer in (("first", first), ("second", second)) if not writer.is_there(root)]
    return [f"{pair} at {moment} of {points}: {error}" for error in errors]


def test_nothing_is_lost(pristine: Path, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Whatever one of the two was doing when the other came: both end well, and what both wrote is there."""
    chance, root = random.Random(20261129), tmp_path / "root"
    points = {name: between(fresh(pristine, root), writer, None, 0)[0] for name, writer in FIRST.items()}
    moments = {pair: range(1, points[pair[0]] + 1) for pair in PAIRS}
    if FULL:
        rounds = [(pair, moment) for pair, all_of in moments.items() for moment in all_of]
    else:
        rounds = [(pair, chance.choice(moments[pair])) for pair in chance.sample(PAIRS, 10)]

    def work(number: int) -> list[str]:
        own = tmp_path / f"root-{number}"
        return [error for pair, at in rounds[number::WORKERS] for error in lost(fresh(pristine, own), pair, at)]

    with ThreadPoolExecutor(WORKERS) as pool:
        wrong = [error for part in pool.map(work, range(WORKERS)) for error in part]
    record_property("counted: rounds of two that write at once", len(rounds))
    record_property("counted: updates lost", len(wrong))
    assert wrong == [], "\n".join(wrong[:10])
