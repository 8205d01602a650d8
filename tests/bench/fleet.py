"""How the fleet's database does with many domains:  python tests/bench/fleet.py [--domains N] [--imported N]

A worker asks for what is due among a million domains that are not, and among a hundredth of them: the ratio is the
price of the number that is not due. A key directory is imported; the floor is a loop that reads the same files and
parses the metadata in them. PostgreSQL runs from Debian's package, as an ordinary user, without waiting for the disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from measure import Claim, report

sys.path.insert(0, str(Path(__file__).parents[2]))
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.identity import new_identity
from dkimctl.fleet.importing import import_keys
from dkimctl.fleet.migration import migrate
from dkimctl.fleet.queue import Worker
from dkimctl.fleet.vault import make_first_key, open_vault
from dkimctl.keys.directory import KeyDirectory
from tests.postgres_server import running

DUE, AT_ONCE, ROUNDS = 1000, 100, 9


def fill(database: Database, domains: int) -> None:
    """So many domains of which a thousand are due."""
    database.run(
        "INSERT INTO dkimctl.domain (name, due) SELECT 'd' || n || '.example', "
        "now() + interval '1 hour' * (CASE WHEN n <= %s THEN -1 ELSE n %% 4000 + 1 END) FROM generate_series(1, %s) n",
        (DUE, domains),
    )
    database.run("VACUUM ANALYZE dkimctl.domain")


def look_up(database: Database) -> float:
    """The median seconds of a claim of a hundred domains, given back after each."""
    worker, now, seconds = Worker(database), datetime.now(UTC), []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        claims = worker.claim(now, AT_ONCE)
        seconds.append(time.perf_counter() - start)
        assert len(claims) == AT_ONCE
        for claim in claims:
            worker.release(claim, now - timedelta(hours=1), now)
    return median(seconds)


def make_directory(place: Path, domains: int) -> None:
    """A key directory with one RSA key for each domain."""
    pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "rsa", "-pubout", "-outform", "DER"], input=pem, check=True, capture_output=True
    ).stdout
    from dkimctl.keys.metadata import Tags, new_metadata, to_json
    from dkimctl.keys.public import PublicKey

    known = new_metadata("rsa", 2048, Tags(), datetime.now(UTC)).with_public(PublicKey.of("rsa", 2048, public), pem)
    files = {
        "s.private": pem,
        "s.json": to_json(known),
        "s.txt": b"s._domainkey IN TXT ( " + b64encode(public) + b" )\n",
    }
    for number in range(domains):
        (directory := place / f"d{number}.example").mkdir(parents=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)


def read_all(place: Path) -> None:
    """The floor."""
    for directory in sorted(os.scandir(place), key=lambda entry: entry.name):
        for file in os.scandir(directory.path):
            content = Path(file.path).read_bytes()
            if file.name.endswith(".json"):
                json.loads(content)


def main() -> int:
    """Measure, and report each claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--domains", type=int, default=1_000_000)
    parser.add_argument("--imported", type=int, default=10_000)
    asked = parser.parse_args()
    with running() as server, tempfile.TemporaryDirectory() as scratch:
        looked = []
        for domains in (asked.domains // 100, asked.domains):
            with connect(server.url(server.new_database())) as database:
                migrate(database)
                fill(database, domains)
                looked.append(look_up(database))
        place = Path(scratch)
        make_directory(place, asked.imported)
        with connect(server.url(server.new_database())) as database:
            migrate(database)
            make_first_key(database, identity := new_identity())
            vault = open_vault(database, identity)
            start = time.perf_counter()
            read_all(place)
            floor = time.perf_counter() - start
            start = time.perf_counter()
            done = import_keys(KeyDirectory(place), database, vault)
            imported = time.perf_counter() - start
            assert done.new == asked.imported, done
    print(f"import: {asked.imported / imported:,.0f} domains a second")
    return report(
        f"a fleet of {asked.domains:,} domains",
        [
            Claim(f"look-up of what is due, of {asked.domains:,} domains", 50, looked[1] * 1000, "ms"),
            Claim("the same, over that of a hundredth of them", 2, looked[1] / looked[0]),
            Claim("import of a key directory, over reading its files", 12, imported / floor),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
