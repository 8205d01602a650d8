"""How long `selftest --via milter` takes, against the daemon alone:  python tests/bench/selftest.py [DKIMCTL]

A real opendkim signs on a Unix socket, with a key for each domain. The daemon's own time is that of the same messages
through a client of a few lines below, which waits for each answer, as Postfix does, and verifies nothing; the selftest
also asks a knot on loopback for every key record. The start-up is a process that loads what the selftest loads, and
sends nothing. Takes half a minute; needs root.
"""

import argparse
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from measure import Case, Claim, command, interleaved, report

from dkimctl.keys.directory import KeyDirectory
from dkimctl.milter.message import Message
from dkimctl.record.published_keys import record_of
from dkimctl.selftest.cases import cases
from tests.dns_servers import Knot, name_servers, txt
from tests.ports import free_port_everywhere

HOME = "127.0.0.1"
ZONE = "example"
DOMAINS = [f"d{n}.{ZONE}" for n in range(50)]
COUNTS = (1, len(DOMAINS))
CONF = """\
Socket local:{0}/milter.sock
UserID root
Mode s
RequireSafeKeys no
Canonicalization relaxed/simple
OversignHeaders From
KeyTable file:{0}/KeyTable
SigningTable file:{0}/SigningTable
InternalHosts 127.0.0.1
"""
TOML = """\
[paths]
keys = "{0}/keys"
opendkim_conf = "{0}/opendkim.conf"
[keys]
owner = "root:root"
selector = "mail"
"""
LOAD = """\
import dkim, dkimctl.keys.directory, dkimctl.selftest.selftest, dkimctl.output.selftest, dkimctl.cli.main
from cryptography.hazmat.primitives.serialization import load_pem_private_key
"""


def prepare(dkimctl: str, place: Path) -> str:
    """Keys, tables and both configurations; returns the name of dkimctl's."""
    toml = place / "dkimctl.toml"
    toml.write_text(TOML.format(place))
    (place / "opendkim.conf").write_text(CONF.format(place))
    subprocess.run([dkimctl, "genkey", *DOMAINS, "--config", str(toml)], check=True, stdout=subprocess.DEVNULL)
    (place / "KeyTable").write_text("".join(f"{d} {d}:mail:{place}/keys/{d}/mail.private\n" for d in DOMAINS))
    (place / "SigningTable").write_text("".join(f"{d} {d}\n.{d} {d}\n" for d in DOMAINS))
    return str(toml)


@contextmanager
def daemon(place: Path) -> Iterator[None]:
    """A running opendkim."""
    process = subprocess.Popen(["opendkim", "-f", "-x", str(place / "opendkim.conf")])
    try:
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(str(place / "milter.sock")) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError("opendkim does not answer")
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def dns(place: Path) -> Iterator[dict[str, str]]:
    """A name server with every key record; yields the environment that leads to it."""
    store = KeyDirectory(place / "keys")
    zone = name_servers(HOME)
    for domain in DOMAINS:
        [key] = store.keys(domain)
        zone += txt(f"mail._domainkey.{domain.removesuffix(f'.{ZONE}')}", record_of(store, key).text)
    port = free_port_everywhere(HOME)
    knot = Knot(place / "knot", HOME, port, {ZONE: zone}).start()
    try:
        yield {**os.environ, "DKIMCTL_NAMESERVERS": f"{HOME}:{port}", "DKIMCTL_DNS_PORT": str(port)}
    finally:
        knot.stop()


def packet(command: bytes, *fields: bytes | str) -> bytes:
    """One packet of the milter protocol; text ends in NUL."""
    texts = (
        field if isinstance(field, bytes) else field.encode("utf-8", "surrogateescape") + b"\0" for field in fields
    )
    data = command + b"".join(texts)
    return struct.pack("!I", len(data)) + data


def talk(message: Message) -> list[bytes]:
    """What Postfix would send, a piece for each answer."""
    body = message.body.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
    hello = packet(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))
    client = packet(b"D", b"C", "j", "relay") + packet(b"C", "localhost", b"4", struct.pack("!H", 25), "127.0.0.1")
    mail = packet(b"D", b"M", "i", "BENCH") + packet(b"M", f"<{message.sender}>")
    headers = [packet(b"L", name, f" {value}") for name, value in message.headers]
    end = packet(b"D", b"E", "i", "BENCH") + packet(b"E")
    whole = [packet(b"B", body)] if body else []
    return [hello, client, mail, packet(b"R", "<someone@example.org>"), *headers, packet(b"N"), *whole, end]


def answer(stream: BinaryIO) -> bytes:
    """The command of the next answer."""
    (length,) = struct.unpack("!I", stream.read(4))
    return stream.read(length)[:1]


def through(place: Path, messages: list[Message]) -> Case:
    """The daemon's own time for the messages, each on a connection of its own."""
    talks = [talk(message) for message in messages]

    def run() -> float:
        start = time.perf_counter()
        for packets in talks:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(place / "milter.sock"))
                stream = connection.makefile("rb")
                for sent in packets:
                    connection.sendall(sent)
                    said = answer(stream)
                if said not in b"hi" or answer(stream) != b"a":
                    raise RuntimeError(f"opendkim did not sign: {said!r}")
        return time.perf_counter() - start

    return run


def messages(domains: list[str]) -> list[Message]:
    """What the selftest sends for these domains."""
    now = datetime.now(UTC)
    sent = (cases(d, now, subdomains=True, thorough=n == 0) for n, d in enumerate(domains))
    return [case.message for some in sent for case in some]


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dkimctl", nargs="?", default=str(Path(sys.executable).with_name("dkimctl")))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    if shutil.which("opendkim") is None or os.geteuid() != 0:
        print("selftest: left out: needs opendkim, and root")
        return 0
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        toml = prepare(options.dkimctl, place)
        with daemon(place), dns(place) as environment:
            measured = {"start-up": command(sys.executable, "-c", LOAD)}
            for count in COUNTS:
                some = DOMAINS[:count]
                measured[f"daemon {count}"] = through(place, messages(some))
                measured[f"selftest {count}"] = command(
                    options.dkimctl, "selftest", *some, "--config", toml, env=environment
                )
            seconds = interleaved(measured, rounds=options.rounds)
    for name, taken in seconds.items():
        print(f"{name:12} {taken * 1000:7.1f} ms")
    many = len(DOMAINS)
    # with one domain, the start-up is fourteen times the rest, and it varies by more than that
    ratio = (seconds[f"selftest {many}"] - seconds["start-up"]) / seconds[f"daemon {many}"]
    what = f"the daemon's own time for {len(messages(DOMAINS))} messages of {many} domains, beside the start-up"
    return report("selftest", [Claim(what, 1.5, ratio)])


if __name__ == "__main__":
    sys.exit(main())
