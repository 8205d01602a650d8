"""How fast the tables of 100,000 domains are written, and how much memory it takes:  python tests/bench/render.py

The peer is a bare loop that writes the same lines, ready-made, to the same two files with fsync. Keys come from an
iterator there; the whole command, which reads 100,000 key directories, is measured against a loop that only reads them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from measure import Claim, call, command, interleaved, report

from dkimctl.config.settings import Settings
from dkimctl.files import write_file
from dkimctl.install.compare import compare
from dkimctl.install.write import install
from dkimctl.keys.metadata import Metadata, Phase, Tags, new_metadata, to_json
from dkimctl.keys.pair import KeyPair
from dkimctl.keys.store import Key
from dkimctl.signers.desired import desired
from dkimctl.signers.rendered import RenderedFile

MANY, FEW = 100_000, 1_000
NOW = datetime(2026, 11, 23, tzinfo=UTC)
METADATA = new_metadata("rsa", 2048, Tags(), NOW).advanced(Phase.ACTIVE, NOW)
TABLES = ("/etc/opendkim/KeyTable", "/etc/opendkim/SigningTable")


class Numbered:
    """A store of so many domains with a key each, that keeps none of them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def domains(self) -> Iterator[str]:
        """Sorted."""
        return (f"customer{number:07}.example.com" for number in range(self._count))

    def keys(self, domain: str) -> tuple[Key, ...]:
        """One."""
        return (Key(domain, "dk202611", f"/etc/opendkim/keys/{domain}/dk202611.private", METADATA),)

    def load(self, key: Key) -> KeyPair:
        """Not asked for by a rendering."""
        raise NotImplementedError

    def create(self, domain: str, selector: str, pair: KeyPair, record: bytes, metadata: Metadata) -> Key:
        """Not asked for by a rendering."""
        raise NotImplementedError

    def advance(self, key: Key, phase: Phase, now: datetime, note: str = "") -> Key:
        """Not asked for by a rendering."""
        raise NotImplementedError


def tables_of(count: int, root: Path) -> list[RenderedFile]:
    """KeyTable and SigningTable of so many domains."""
    return [file for file in desired(Settings(root=root), Numbered(count)).files if file.path in TABLES]


def write_tables(files: Sequence[RenderedFile], place: Path) -> None:
    """As an installation writes them."""
    for file in files:
        write_file(place / Path(file.path).name, file.content)


def writing(place: Path, rounds: int) -> list[Claim]:
    """Both tables to the disk, when the keys are chosen and, besides, with choosing them."""
    files = tables_of(MANY, place)
    lines = {
        Path(file.path).name: [line for chunk in file.content for line in chunk.splitlines(keepends=True)]
        for file in files
    }

    def bare_loop() -> None:
        for name, own in lines.items():
            with open(place / name, "wb") as stream:
                for line in own:
                    stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())

    seconds = interleaved(
        {
            "loop": call(bare_loop),
            "tables": call(lambda: write_tables(files, place)),
            "all": call(lambda: write_tables(tables_of(MANY, place), place)),
        },
        rounds=rounds,
    )
    loop = f"a bare loop with fsync, the same bytes of {MANY:,} domains"
    return [
        Claim(f"{loop}: tables written", 3, seconds["tables"] / seconds["loop"]),
        Claim(f"{loop}: keys chosen and checked, tables written", 20, seconds["all"] / seconds["loop"]),
    ]


def memory() -> list[Claim]:
    """How much more memory a process has needed at its peak, for each domain more."""
    few, many = peak_kibibytes(FEW), peak_kibibytes(MANY)
    return [Claim("memory for each domain more", 1, (many - few) / (MANY - FEW), unit="KiB")]


def peak_kibibytes(count: int) -> int:
    """The peak of a process of its own that renders so many domains, writes their tables and compares them."""
    ended = subprocess.run([sys.executable, __file__, "--only", str(count)], check=True, capture_output=True, text=True)
    return int(ended.stdout)


def render_once(count: int) -> None:
    """What the process of `peak_kibibytes` does."""
    with tempfile.TemporaryDirectory() as place:
        settings = Settings(root=Path(place))
        rendering = desired(settings, Numbered(count))
        install(rendering, settings, now=NOW)
        compare(rendering, settings)
    status = Path("/proc/self/status").read_text()
    print(status.partition("VmHWM:")[2].split()[0])  # getrusage would count what the parent had before exec


def whole_command(place: Path, count: int, rounds: int) -> list[Claim]:
    """`render-config --check` on so many key directories, against a loop that only lists and reads them."""
    keys = place / "etc/opendkim/keys"
    content = to_json(METADATA)
    for domain in Numbered(count).domains():
        directory = keys / domain
        directory.mkdir(parents=True, mode=0o700)
        (directory / "dk202611.json").write_bytes(content)
        (directory / "dk202611.private").write_bytes(b"")

    def read_all() -> None:
        for domain in sorted(os.listdir(keys)):
            for name in os.listdir(keys / domain):
                if name.endswith(".json"):
                    (keys / domain / name).read_bytes()

    render = [sys.executable, "-m", "dkimctl", "render-config", "--root", str(place)]
    subprocess.run([*render, "--install", "-q"], check=True, capture_output=True)
    seconds = interleaved({"loop": call(read_all), "check": command(*render, "--check")}, rounds=rounds)
    return [
        Claim(
            f"a loop that reads {count:,} key directories: render-config --check", 6, seconds["check"] / seconds["loop"]
        )
    ]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument(
        "--directories", type=int, default=10_000, help="key directories for the whole command; 0: none"
    )
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        render_once(options.only)
        return 0
    with tempfile.TemporaryDirectory() as place:
        claims = writing(Path(place), options.rounds) + memory()
        if options.directories:
            claims += whole_command(Path(place), options.directories, max(options.rounds // 4, 1))
    return report("render-config", claims)


if __name__ == "__main__":
    sys.exit(main())
