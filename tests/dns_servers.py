"""Real knot servers on loopback for the tests: several addresses, one port, zones given as text."""

import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

SOA = "@ 300 IN SOA ns1 hostmaster 1 3600 600 86400 300\n"
TXT_MAXIMUM = 255


def txt(owner: str, *texts: str, ttl: int = 300) -> str:
    """Zone-file lines for TXT records, one for each text, cut into character-strings."""
    lines = []
    for text in texts:
        parts = [text[i : i + TXT_MAXIMUM] for i in range(0, len(text), TXT_MAXIMUM)] or [""]
        strings = " ".join(f'"{_escaped(part)}"' for part in parts)
        lines.append(f"{owner} {ttl} IN TXT {strings}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    return "".join(f"\\{ord(c):03d}" if not 32 <= ord(c) < 127 else "\\" + c if c in '"\\' else c for c in text)


def name_servers(*addresses: str) -> str:
    """NS records ns1, ns2, … with these addresses, and the SOA."""
    lines = [SOA]
    for number, address in enumerate(addresses, 1):
        lines.append(f"@ 300 IN NS ns{number}\nns{number} 300 IN {'AAAA' if ':' in address else 'A'} {address}\n")
    return "".join(lines)


class _Server:
    """A name server as a process of its own."""

    process: subprocess.Popen[bytes] | None = None

    def _run(self, command: list[str], directory: Path, address: str, port: int, names: Iterable[str]) -> None:
        """Start it, and wait until it answers there for all these names."""
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=directory)
        try:
            await_server(address, port, *names)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)
            self.process = None


@dataclass
class Knot(_Server):
    """One knotd at one address. `start` waits until it answers."""

    directory: Path
    address: str
    port: int
    zones: dict[str, str] = field(default_factory=dict)
    options: str = ""
    """More lines for the `server:` section."""
    zone_options: dict[str, str] = field(default_factory=dict)
    """More lines for single zones, by their names."""

    def start(self) -> "Knot":
        """Write everything and run it. Use as `knot = Knot(…).start()`, then `knot.stop()`."""
        (self.directory / "db").mkdir(parents=True, exist_ok=True)
        for name, text in self.zones.items():
            (self.directory / f"{name}.zone").write_text(f"$ORIGIN {name}.\n{text}")
        shown = f"{self.address}@{self.port}"
        listing = "".join(
            f"  - domain: {name}\n    file: {self.directory}/{name}.zone\n{self.zone_options.get(name, '')}"
            for name in self.zones
        )
        configuration = (
            f"server:\n    rundir: {self.directory}\n    listen: {shown}\n    udp-workers: 1\n    tcp-workers: 1\n"
            f"    background-workers: 1\n{self.options}\n"
            f"database:\n    storage: {self.directory}/db\n"
            f"log:\n  - target: {self.directory}/log\n    any: warning\n"
            f"zone:\n{listing}"
        )
        path = self.directory / "knot.conf"
        path.write_text(configuration)
        self._run(["knotd", "-c", str(path)], self.directory, self.address, self.port, self.zones)
        return self


@dataclass
class Unbound(_Server):
    """A validating resolver that goes to 127.0.0.1 for every zone: zone → port, and the DNSKEYs it trusts."""

    directory: Path
    port: int
    stubs: dict[str, int]
    anchors: dict[str, list[str]] = field(default_factory=dict)
    options: str = ""
    """More lines for the `server:` section."""
    before: tuple[str, ...] = ()
    """Words before its command: `env NAME=VALUE …`."""

    def start(self) -> "Unbound":
        """Write its configuration and run it, until it answers for the last of the zones."""
        home = "127.0.0.1"
        anchors = "".join(
            f'    trust-anchor: "{zone}. DNSKEY {key}"\n' for zone, keys in self.anchors.items() for key in keys
        )
        stubs = "".join(
            f'stub-zone:\n    name: "{zone}"\n    stub-addr: {home}@{at}\n' for zone, at in self.stubs.items()
        )
        conf = self.directory / "unbound.conf"
        conf.write_text(
            f"server:\n    interface: {home}@{self.port}\n    do-not-query-localhost: no\n    do-daemonize: no\n"
            f'    chroot: ""\n    directory: "{self.directory}"\n    pidfile: ""\n    use-syslog: no\n'
            f'    logfile: "{self.directory}/log"\n    username: ""\n    module-config: "validator iterator"\n'
            f'    ede: yes\n    val-log-level: 2\n    local-zone: "example." nodefault\n{self.options}{anchors}{stubs}'
            "remote-control:\n    control-enable: no\n"
        )
        self._run(
            [*self.before, "unbound", "-d", "-c", str(conf)], self.directory, home, self.port, list(self.stubs)[-1:]
        )
        return self


def await_server(address: str, port: int, *names: str) -> None:
    """Return as soon as the server answers for the SOA of all these names: it may load one zone after the other."""
    deadline = time.monotonic() + 20
    for name in names:
        question = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
        query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question + b"\0\0\6\0\1"
        while not _is_answered(address, port, query):
            assert time.monotonic() < deadline, f"no answer for {name} from {address} port {port}"


def _is_answered(address: str, port: int, query: bytes) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect((address, port))
            probe.send(query)
            if probe.recv(512)[3] & 15 == 0:
                return True
        except OSError:
            pass
    time.sleep(0.05)
    return False
