"""What a relay of a fleet takes:  python tests/bench/fleet_relay.py [--first N] [--domains N] [--peer N]

First sync of so many domains; then 1,000 changed keys on a relay that has a great many, the tables that it renders, and
how long the daemon takes to read them; then 100 changed keys, against rsync of a tree of as many domains and the same
reading (`--peer 100000` is the full size: its tree takes minutes to make). Each sync is a process of its own. The
directories of domains that do not change are not made for the relay with many: nothing reads them. PostgreSQL runs from
Debian's package, as an ordinary user, without waiting for the disk.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from measure import Claim, report
from render import Numbered

sys.path.insert(0, str(Path(__file__).parents[2]))
from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Fleet, KeyDefaults, Settings
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.identity import new_identity
from dkimctl.fleet.membership import approve, join
from dkimctl.fleet.migration import migrate
from dkimctl.fleet.rendered import note_rendered
from dkimctl.fleet.sync import sync
from dkimctl.fleet.vault import Vault, make_first_key, open_vault
from dkimctl.install.write import install
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import Phase, Tags, new_metadata, to_json
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.record.model import record_for
from dkimctl.record.text import genkey_text
from dkimctl.signers.desired import desired
from tests.postgres_server import Server, running

NOW = datetime(2026, 11, 23, tzinfo=UTC)
FIRST, SECOND = "dk202611", "dk202705"
PAIRS = {FIRST: generate(Algorithm.RSA), SECOND: generate(Algorithm.RSA)}
COLUMNS = "domain, stem, selector, identity, phase, metadata, record, sealed, fleet_key, generation"


class Taken(NamedTuple):
    """What a process took."""

    wall: float
    cpu: float
    """Of its children as well."""
    kibibytes: int
    """At its peak, or that of a child that had more."""
    on_two_cores: float = 0.0
    """Processor seconds of its own, and half of those of its children, which work beside each other."""


class Relay(NamedTuple):
    """A relay as a tree."""

    root: Path
    url: str

    @property
    def settings(self) -> Settings:
        """Its settings: everything belongs to the caller."""
        owner = f"{os.geteuid()}:{os.getegid()}"
        return Settings(root=self.root, keys=KeyDefaults(owner=owner), fleet=Fleet(database=self.url))

    def sync(self, *options: str) -> Taken:
        """One pass, in a process of its own."""
        command = [sys.executable, __file__, "--only", str(self.root), self.url, *options]
        return Taken(*json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def sync_once(root: Path, url: str) -> None:
    """What that process does."""
    settings = Relay(root, url).settings
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys)
    wall = time.perf_counter()
    with connect(url) as database:
        sync(settings, store, database, clock=SYSTEM_CLOCK)
    wall = time.perf_counter() - wall
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
    children, own = resource.getrusage(resource.RUSAGE_CHILDREN), time.process_time()
    theirs = children.ru_utime + children.ru_stime
    print(json.dumps([wall, own + theirs, max(peak, children.ru_maxrss), own + theirs / 2]))


class ControlHost:
    """A fleet's database, and keys put into it without the work of making them."""

    def __init__(self, server: Server, place: Path) -> None:
        self._server, self._place = server, place
        self._name = server.new_database()
        self.database: Database = connect(server.url(self._name))
        migrate(self.database)
        identity = new_identity()
        make_first_key(self.database, identity)
        self.vault: Vault = open_vault(self.database, identity)

    def relay(self, name: str) -> Relay:
        """A relay that was approved."""
        role = f"{self._name}_{name}"
        self._server.run(f"CREATE ROLE {role} LOGIN IN ROLE dkimctl_relay")
        (root := self._place / role).mkdir()
        relay = Relay(root, self._server.url(self._name, role))
        with connect(relay.url) as database:
            fingerprint = join(relay.settings, database, name).fingerprint
        approve(self.database, self.vault, name, fingerprint)
        return relay

    def add_domains(self, first: int, last: int) -> None:
        """Domains by number, and no key."""
        names = ((domain_of(number),) for number in range(first, last))
        self.database.copy_in("COPY dkimctl.domain (name) FROM STDIN", names)

    def put(self, first: int, last: int, selector: str, phase: Phase) -> None:
        """Put a key of this selector and phase for each of these domains into the next generation."""
        with self.database.transaction():
            self.database.run("UPDATE dkimctl.fleet SET generation = generation + 1")
            generation = self.database.value("SELECT generation FROM dkimctl.fleet")
            self.database.run("ALTER TABLE dkimctl.key DISABLE TRIGGER USER")
            self.database.run("CREATE TEMP TABLE coming (LIKE dkimctl.key) ON COMMIT DROP")
            self.database.run("ALTER TABLE coming ALTER id DROP NOT NULL, ALTER version DROP NOT NULL")
            rows = (self._row(number, selector, phase, generation) for number in range(first, last))
            self.database.copy_in(f"COPY coming ({COLUMNS}) FROM STDIN", rows)
            self.database.run(
                f"INSERT INTO dkimctl.key ({COLUMNS}) SELECT {COLUMNS} FROM coming"
                " ON CONFLICT (domain, stem) DO UPDATE SET phase = excluded.phase, metadata = excluded.metadata,"
                " generation = excluded.generation"
            )
            self.database.run("ALTER TABLE dkimctl.key ENABLE TRIGGER USER")

    def rotate(self, domains: int) -> None:
        """Have so many domains sign with their next key."""
        self.put(0, domains, FIRST, Phase.RETIRING)
        self.put(0, domains, SECOND, Phase.ACTIVE)

    def _row(self, number: int, selector: str, phase: Phase, generation: int) -> tuple[object, ...]:
        domain, pair = domain_of(number), PAIRS[selector]
        known = new_metadata("rsa", 2048, Tags(), NOW).with_public(pair.public, pair.private_pem).in_phase(phase, NOW)
        identity = identity_of(pair.public.base64)
        sealed = self.vault.seal(pair.private_pem, domain=domain, selector=selector, identity=identity)
        record = genkey_text(selector, domain, record_for(pair.public, pair.algorithm, Tags()))
        named = (domain, selector, selector, identity, phase.value)
        return (*named, to_json(known).decode(), record, sealed, self.vault.number, generation)


def domain_of(number: int) -> str:
    """As the store of render.py names them."""
    return f"customer{number:07}.example.com"


def with_many(control: ControlHost, relay: Relay, changing: int, domains: int) -> None:
    """Make it a relay that has everything: directories of those that are to change, tables of all."""
    control.add_domains(0, changing)
    control.put(0, changing, FIRST, Phase.ACTIVE)
    relay.sync()
    settings = relay.settings
    rendering = desired(settings, Numbered(domains))
    installed = install(rendering, settings, now=NOW)
    note_rendered(settings, rendering, installed.versions, frozenset({"rsa"}), frozenset())


def tables_size(relay: Relay) -> int:
    """Octets of both tables."""
    return sum((relay.root / f"etc/opendkim/{name}").stat().st_size for name in ("KeyTable", "SigningTable"))


def daemon_reads(relay: Relay, scratch: Path) -> float:
    """The processor seconds that opendkim takes to read the tables, as it does at a reload; 0 where it is missing."""
    if shutil.which("opendkim") is None:
        return 0.0
    place = relay.root / "etc/opendkim"
    tables = f"KeyTable file:{place}/KeyTable\nSigningTable file:{place}/SigningTable\n"
    (conf := scratch / "conf").write_text(f"Mode s\nUserID root\n{tables}InternalHosts csl:127.0.0.1\n")
    (message := scratch / "unsigned.eml").write_bytes(b"From: a@other.test\r\nSubject: x\r\n\r\nhello\r\n")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["opendkim", "-x", conf, "-t", message], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- the peers' way


def make_tree(place: Path, domains: int) -> None:
    """Key directories with a private key and a record each, as opendkim-genkey leaves them."""
    pem = PAIRS[FIRST].private_pem
    for number in range(domains):
        (directory := place / domain_of(number)).mkdir(parents=True)
        (directory / f"{FIRST}.private").write_bytes(pem)
        (directory / f"{FIRST}.txt").write_bytes(pem[:420])


def change_tree(place: Path, tables: Path, changed: int) -> None:
    """Give so many domains their next key, and the tables beside the directories."""
    for number in range(changed):
        (place / domain_of(number) / f"{SECOND}.private").write_bytes(PAIRS[SECOND].private_pem)
        (place / domain_of(number) / f"{SECOND}.txt").write_bytes(PAIRS[SECOND].private_pem[:420])
    for name in ("KeyTable", "SigningTable"):
        shutil.copy(tables / name, place / name)


def rsync(source: Path, target: Path) -> tuple[Taken, int]:
    """What rsync of the tree takes, its own processes at both ends, and how many octets it sends."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = ["rsync", "-a", "--delete", "--no-whole-file", "--stats", f"{source}/", f"{target}/"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = {name: number for name, _, number in (line.partition(": ") for line in said.splitlines())}
    octets = sum(int(counted[f"Total bytes {way}"].replace(",", "")) for way in ("sent", "received"))
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 0), octets


@contextmanager
def counted(server: Server, place: Path) -> Iterator[tuple[Path, list[int]]]:
    """A second socket of the server, and how many octets went through it both ways."""
    octets = [0]
    real = str(server.directory / f"socket/.s.PGSQL.{server.port}")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / f".s.PGSQL.{server.port}"))
    listener.listen()

    def forward(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(1 << 16):
            octets[0] += len(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect(real)
            for ends in ((client, there), (there, client)):
                Thread(target=forward, args=ends, daemon=True).start()

    Thread(target=accept, daemon=True).start()
    try:
        yield place, octets
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# --- measuring


def first_sync(server: Server, place: Path, domains: int) -> list[Claim]:
    """A relay that has nothing; and how much more memory each domain more takes."""
    taken = {}
    for count in (domains // 4, domains):
        control = ControlHost(server, place)
        control.add_domains(0, count)
        control.put(0, count, FIRST, Phase.ACTIVE)
        taken[count] = control.relay("first").sync()
        control.database.close()
    few, many = taken[domains // 4], taken[domains]
    per_domain = (many.on_two_cores - few.on_two_cores) / (domains - domains // 4)
    memory = (many.kibibytes - few.kibibytes) / (domains - domains // 4)
    print(
        f"first sync of {domains:,}: {many.wall:.1f} s, {many.cpu:.1f} s of processor time, of which two cores take "
        f"{many.on_two_cores:.1f} s; {few.kibibytes} KiB for {domains // 4:,} and {many.kibibytes} KiB for all"
    )
    return [
        Claim(
            "first sync: domains a second, by the processor time of two cores",
            2000,
            1 / per_domain,
            "/s",
            at_least=True,
        ),
        Claim("first sync: memory for each domain more", 0.6, memory, "KiB"),
    ]


def many_changes(server: Server, place: Path, domains: int, changed: int) -> list[Claim]:
    """A relay that has everything, and keys that change."""
    control = ControlHost(server, place)
    relay = control.relay("many")
    with_many(control, relay, changed, domains)
    control.rotate(changed)
    taken = relay.sync()
    rows = (relay.root / "etc/opendkim/KeyTable").read_bytes().count(f":{SECOND}:".encode())
    assert rows == changed, rows
    reading = daemon_reads(relay, place)
    control.database.close()
    print(
        f"{changed:,} keys among {domains:,}: {taken.wall:.1f} s, {taken.cpu:.1f} s of processor time, "
        f"{taken.kibibytes} KiB; the daemon reads {tables_size(relay) >> 20} MiB of tables in {reading:.1f} s"
    )
    return [
        Claim(f"{changed:,} changed keys among {domains:,} domains: fetched, written, rendered", 5, taken.cpu, "s"),
        Claim(
            "the same on two cores, and the daemon's reading of the tables",
            5,
            taken.on_two_cores + reading,
            "s",
        ),
    ]


def peers(server: Server, place: Path, domains: int, changed: int) -> list[Claim]:
    """The same change by rsync of the tree, and by a sync."""
    if shutil.which("rsync") is None:
        print("rsync is not installed: not compared with it (apt-get install rsync)")
        return []
    control = ControlHost(server, place)
    relay = control.relay("peer")
    with_many(control, relay, changed, domains)
    source, target = place / "source", place / "target"
    make_tree(source, domains)
    change_tree(source, relay.root / "etc/opendkim", 0)
    rsync(source, target)
    control.rotate(changed)
    (sockets := place / "counted").mkdir()
    with counted(server, sockets) as (directory, octets):
        taken = Relay(relay.root, relay.url.replace(f"{server.directory}/socket", str(directory))).sync()
        sent = octets[0]
    change_tree(source, relay.root / "etc/opendkim", changed)
    theirs, their_octets = rsync(source, target)
    reading = daemon_reads(relay, place)
    control.database.close()
    print(
        f"{changed} keys among {domains:,}: a sync takes {taken.wall:.1f} s, {taken.cpu:.1f} s of processor time and "
        f"{sent:,} octets; rsync {theirs.wall:.1f} s, {theirs.cpu:.1f} s and {their_octets:,}; "
        f"either way the daemon then reads the tables in {reading:.1f} s"
    )
    return [
        Claim(f"{changed} keys among {domains:,} domains: processor time, over rsync's", 1, taken.cpu / theirs.cpu),
        Claim("the same: octets, over rsync's", 1, sent / their_octets),
    ]


def main() -> int:
    """Measure, and report each claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--first", type=int, default=20_000)
    parser.add_argument("--domains", type=int, default=1_000_000)
    parser.add_argument("--peer", type=int, default=20_000)
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        sync_once(Path(asked.only[0]), asked.only[1])
        return 0
    with running() as server, tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        claims = first_sync(server, place, asked.first)
        claims += many_changes(server, place, asked.domains, 1000)
        claims += peers(server, place, asked.peer, 100)
    return report("a relay of a fleet", claims)


if __name__ == "__main__":
    sys.exit(main())
