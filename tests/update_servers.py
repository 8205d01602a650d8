"""Real name servers on loopback that take signed dynamic updates: knot and bind9, with the same zones and key."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dns_servers import await_server, name_servers
from tests.ports import free_port_everywhere

SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1ka2ltY3RsLi4="
KEY_NAME = "dkimctl-test"
READ_ONLY = "readonly.test"
"""A zone of each server that the key may not change."""


def key_text(secret: str = SECRET, name: str = KEY_NAME, algorithm: str = "hmac-sha256") -> str:
    """A key as tsig-keygen writes it."""
    return f'key "{name}" {{\n\talgorithm {algorithm};\n\tsecret "{secret}";\n}};\n'


def write_key(path: Path, text: str = "") -> Path:
    """A key file that only its owner can read."""
    path.write_text(text or key_text())
    path.chmod(0o600)
    return path


@dataclass(frozen=True)
class UpdateServer:
    """A primary server that is up."""

    program: str
    port: int
    control: int = 0
    """The port of `rndc`."""

    def add_zone(self, zone: str, settings: str) -> None:
        """Have `named` serve a zone that no configuration file has, as `rndc addzone` does."""
        with TemporaryDirectory() as place:
            key = write_key(Path(place) / "rndc.key")
            rndc = ["rndc", "-k", str(key), "-s", "127.0.0.1", "-p", str(self.control)]
            subprocess.run([*rndc, "addzone", zone, f"{{ {settings} }};"], check=True, capture_output=True)

    @property
    def endpoint(self) -> str:
        """As `--provider rfc2136:…` takes it."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def update_server(program: str, directory: Path, *zones: str) -> Iterator[UpdateServer]:
    """`knotd` or `named` in the foreground, without looking at the system's files."""
    (directory / "journal").mkdir(parents=True)
    for zone in (*zones, READ_ONLY):
        (directory / f"{zone}.zone").write_text(f"$ORIGIN {zone}.\n$TTL 300\n{_servers_of(zone)}")
    port, control = free_port_everywhere("127.0.0.1"), free_port_everywhere("127.0.0.1")
    configuration = directory / "server.conf"
    configuration.write_text(
        _knot(directory, port, zones) if program == "knotd" else _named(directory, port, control, zones)
    )
    command = [program, "-c", str(configuration), *(["-g", "-4", "-n", "1"] if program == "named" else [])]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        _await_answer(port, (*zones, READ_ONLY), directory / "log")
        yield UpdateServer(program, port, control)
    finally:
        process.terminate()
        process.wait(60)


def _servers_of(zone: str) -> str:
    """SOA and NS; below a name that no host may have (BIND's check-names) they are names of the zone above."""
    if "_" not in zone:
        return name_servers("127.0.0.1")
    above = zone.rpartition("_")[2].partition(".")[2]
    return f"@ 300 IN SOA ns1.{above}. hostmaster.{above}. 1 3600 600 86400 300\n@ 300 IN NS ns1.{above}.\n"


def _knot(directory: Path, port: int, zones: tuple[str, ...]) -> str:
    listing = "".join(f"  - domain: {z}\n    file: {directory}/{z}.zone\n    acl: may-update\n" for z in zones)
    return (
        f"server:\n    rundir: {directory}\n    listen: 127.0.0.1@{port}\n    udp-workers: 1\n    tcp-workers: 1\n"
        f"    background-workers: 1\ndatabase:\n    storage: {directory}/journal\n"
        f"log:\n  - target: stderr\n    any: info\n"
        f"key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"
        f"acl:\n  - id: may-update\n    key: {KEY_NAME}\n    action: update\n"
        f"zone:\n{listing}  - domain: {READ_ONLY}\n    file: {directory}/{READ_ONLY}.zone\n"
    )


def _named(directory: Path, port: int, control: int, zones: tuple[str, ...]) -> str:
    policy = f'update-policy {{ grant "{KEY_NAME}" zonesub TXT CNAME DNAME; }};'
    listing = "".join(
        f'zone "{zone}" {{ type primary; file "{directory}/{zone}.zone"; {policy if zone in zones else ""} }};\n'
        for zone in (*zones, READ_ONLY)
    )
    return (
        f'options {{ directory "{directory}"; pid-file none; session-keyfile none; listen-on-v6 {{ none; }};\n'
        f"  listen-on port {port} {{ 127.0.0.1; }}; recursion no; dnssec-validation no; notify no;\n"
        f"  empty-zones-enable no; allow-new-zones yes; }};\n{key_text()}{listing}"
        f'controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ "{KEY_NAME}"; }}; }};\n'
    )


def _await_answer(port: int, zones: tuple[str, ...], log: Path) -> None:
    try:
        await_server("127.0.0.1", port, *zones)
    except AssertionError as error:
        raise AssertionError(f"{error}: {log.read_text()}") from error
