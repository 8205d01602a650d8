"""The machine that tests/bench/verify.py measures on: 10,000 keys on the disk, and a knot that serves their records."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from dkimctl.keys import metadata
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere

NAMES = 10_000
HOME = "127.0.0.1"
ZONE = "bench.example"
_PAIRS = 20  # different keys; each serves many names, since making 10,000 takes ten minutes


@dataclass(frozen=True, slots=True)
class Machine:
    """Where everything lies, and where knot listens."""

    root: Path
    port: int

    @property
    def questions(self) -> Path:
        """What dnsperf asks: the 10,000 names."""
        return self.root / "questions"

    def forget_metadata(self) -> Path:
        """Return the root of a copy in which no key has metadata beside it, as opendkim-genkey leaves them."""
        copy = self.root / "without"
        for private in (self.root / "etc/opendkim/keys").glob("*/s.private"):
            directory = copy / "etc/opendkim/keys" / private.parent.name
            directory.mkdir(parents=True, mode=0o700)
            for file in (private, private.with_suffix(".txt")):
                os.link(file, directory / file.name)
        return copy

    def testkey(self, port: int, count: int) -> tuple[str, ...]:
        """The command with which opendkim-testkey checks the first `count` keys at a server of this host."""
        with (self.root / "KeyTable").open() as whole:
            (self.root / f"KeyTable.{count}").write_text("".join(islice(whole, count)))
        conf = self.root / f"testkey.{count}.conf"
        conf.write_text(f"KeyTable file:{self.root}/KeyTable.{count}\nNameservers {HOME}@{port}\n")
        return ("opendkim-testkey", "-x", str(conf))

    def wild_names(self, count: int) -> Path:
        """A list of so many names that a wildcard answers for."""
        path = self.root / f"names.{count}"
        with path.open("w") as stream:
            stream.writelines(f"s._domainkey.customer{n}.wild.{ZONE}\n" for n in range(count))
        return path


@contextmanager
def machine(root: Path) -> Iterator[Machine]:
    """Make it below `root`, and run its knot."""
    zone = _make_keys(root)
    port = free_port_everywhere(HOME)
    knot = Knot(root / "knot", HOME, port, {ZONE: zone}).start()
    try:
        yield Machine(root, port)
    finally:
        knot.stop()


def _make_keys(root: Path) -> str:
    """Keys as `genkey` leaves them, a second apart, a KeyTable and dnsperf's questions; returns the zone's text."""
    pairs = [generate(Algorithm.RSA) for _ in range(_PAIRS)]
    tags = metadata.Tags()
    records = [record_for(pair.public, "rsa", tags).text for pair in pairs]
    zone, questions, table = [name_servers(HOME), txt("*.wild", records[0])], [], []
    for n in range(NAMES):
        pair, record = pairs[n % _PAIRS], records[n % _PAIRS]
        directory = root / f"etc/opendkim/keys/d{n}.{ZONE}"
        directory.mkdir(parents=True, mode=0o700)
        private = directory / "s.private"
        private.write_bytes(pair.private_pem)
        private.chmod(0o600)
        made = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=n)
        note = metadata.new_metadata("rsa", 2048, tags, made).with_public(pair.public, pair.private_pem)
        (directory / "s.json").write_bytes(metadata.to_json(note))
        (directory / "s.txt").write_text(record)
        zone.append(txt(f"s._domainkey.d{n}", record))
        questions.append(f"s._domainkey.d{n}.{ZONE} TXT\n")
        table.append(f"k{n} d{n}.{ZONE}:s:{private}\n")
    (root / "questions").write_text("".join(questions))
    (root / "KeyTable").write_text("".join(table))
    return "".join(zone)
