"""How long `status` and an idle `rotate` take for many domains of two keys:  python tests/bench/rotate.py [DKIMCTL]

The floor is a loop that lists each key directory, reads the metadata and the private key files in it, and parses the
metadata. All are measured in processor time, which a busy disk or another program does not change as much; the time
of a start counts, so the ratio is smaller with 100,000 domains (--domains), which takes some minutes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from measure import Claim, report

FLOOR = """
import json, os, sys
top = sys.argv[1]
for name in sorted(os.listdir(top)):
    directory = os.path.join(top, name)
    for file in os.listdir(directory):
        with open(os.path.join(directory, file), "rb") as stream:
            content = stream.read()
        if file.endswith(".json"):
            json.loads(content)
"""


def at(days: float) -> str:
    """An instant before now, as in metadata."""
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def metadata(public: str, phase: str, facts: dict[str, object]) -> bytes:
    """The metadata of one key."""
    history = [{"phase": "generated", "at": at(20), "note": ""}]
    tags = {"h": "sha256", "s": "", "t": "", "n": ""}
    known = {"schema": 1, "algorithm": "rsa", "bits": 2048, "tags": tags, "created": at(20), "phase": phase}
    more = {"provider": "ovh", "history": history, "public": public, "source_digest": "0" * 64, "facts": facts}
    return json.dumps(known | more, indent=2).encode()


def make(root: Path, domains: int) -> None:
    """A tree in which every domain has a key that signs and a standby, both proven an hour ago."""
    pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, check=True, capture_output=True
    )
    base64 = b64encode(public.stdout).decode()
    record = {"written": at(20), "seen": at(20), "confirmed": at(19), "last_seen": at(0.04), "ttl": 3600}
    used = metadata(base64, "active", {"record": record, "signing": {"since": at(18), "proven": at(0.04)}})
    spare = metadata(base64[:-8] + "AAAAAAAA", "verified", {"record": record})
    keys = root / "etc/opendkim/keys"
    keys.mkdir(parents=True)
    with (root / "etc/opendkim/KeyTable").open("w") as table:
        for number in range(domains):
            name = f"d{number:06}.example"
            directory = keys / name
            directory.mkdir()
            for selector, notes in (("dk1", used), ("dk2", spare)):
                (directory / f"{selector}.private").write_bytes(pem)
                (directory / f"{selector}.json").write_bytes(notes)
            table.write(f"dk1._domainkey.{name} {name}:dk1:/etc/opendkim/keys/{name}/dk1.private\n")


def run(*command: str) -> tuple[float, float]:
    """Seconds of processor time, and MiB of memory."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):
        raise RuntimeError(f"{' '.join(command)}: exit {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> int:
    """Measure, and say which budgets hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--domains", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        make(root, arguments.domains)
        cases = {
            "floor": (sys.executable, "-c", FLOOR, str(root / "etc/opendkim/keys")),
            "status": (arguments.program, "status", "-q", "--root", place),
            "rotate": (arguments.program, "rotate", "-q", "--root", place),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(arguments.rounds):
            for name, command in cases.items():
                found[name].append(run(*command))
    seconds = {name: median(s for s, _ in runs) for name, runs in found.items()}
    claims = []
    for name, what in (("status", "status"), ("rotate", "an idle rotate")):
        ratio = seconds[name] / seconds["floor"]
        claims.append(Claim(f"a loop that reads and parses the same files: {what}", 2, ratio))
        claims.append(Claim(f"of memory: {what}", 200, max(m for _, m in found[name]), "MiB"))
    print(f"{arguments.domains} domains of two keys, floor {seconds['floor']:.2f} s")
    return report("life of keys", claims)


if __name__ == "__main__":
    sys.exit(main())
