"""A real PowerDNS on loopback: zones in SQLite, its HTTP API, and dynamic updates with the tests' TSIG key."""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.dns_servers import await_server
from tests.ports import free_port_everywhere
from tests.update_servers import KEY_NAME, SECRET

API_KEY = "secret-of-the-tests"


@dataclass(frozen=True)
class PowerDns:
    """A server that is up."""

    port: int
    api_port: int
    database: Path

    def put(self, zone: str, name: str, content: str) -> None:
        """A TXT record as it is in the database, whatever the server would have made of it."""
        with closing(sqlite3.connect(self.database, timeout=20)) as database, database:
            [[number]] = database.execute("SELECT id FROM domains WHERE name = ?", [zone])
            database.execute(
                "INSERT INTO records (domain_id, name, type, content, ttl, auth) VALUES (?, ?, 'TXT', ?, 300, 1)",
                [number, name, content],
            )

    def contents(self, name: str) -> list[str]:
        """The TXT records at a name in the database."""
        with closing(sqlite3.connect(self.database, timeout=20)) as database:
            rows = database.execute("SELECT content FROM records WHERE name = ? AND type = 'TXT'", [name])
            return [content for (content,) in rows]


@contextmanager
def powerdns(directory: Path, *zones: str) -> Iterator[PowerDns]:
    """`pdns_server` in the foreground, without looking at the system's files."""
    directory.mkdir(parents=True, exist_ok=True)
    prefix = Path(shutil.which("pdns_server") or "").resolve().parent.parent
    database = directory / "pdns.sqlite3"
    _fill(database, next(prefix.glob("share/**/schema.sqlite3.sql")), zones)
    port, api_port = free_port_everywhere("127.0.0.1"), free_port_everywhere("127.0.0.1")
    modules = next(prefix.glob("lib/**/libgsqlite3backend.so")).parent
    options = {
        "module-dir": modules, "launch": "gsqlite3", "gsqlite3-database": database, "socket-dir": directory,
        "local-address": "127.0.0.1", "local-port": port, "webserver": "yes", "webserver-address": "127.0.0.1",
        "webserver-port": api_port, "api": "yes", "api-key": API_KEY, "dnsupdate": "yes", "guardian": "no",
        "daemon": "no", "cache-ttl": 0, "query-cache-ttl": 0, "negquery-cache-ttl": 0, "zone-cache-refresh-interval": 0,
    }  # fmt: skip
    (directory / "pdns.conf").write_text("".join(f"{name}={value}\n" for name, value in options.items()))
    with (directory / "log").open("wb") as log:
        command = ["pdns_server", f"--config-dir={directory}"]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        await_server("127.0.0.1", port, *zones)
        yield PowerDns(port, api_port, database)
    finally:
        process.terminate()
        process.wait(60)


def _fill(path: Path, schema: Path, zones: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(schema.read_text())
        database.execute(
            "INSERT INTO tsigkeys (name, algorithm, secret) VALUES (?, 'hmac-sha256', ?)", [KEY_NAME, SECRET]
        )
        for number, zone in enumerate(zones, 1):
            database.execute("INSERT INTO domains (id, name, type) VALUES (?, ?, 'MASTER')", [number, zone])
            rows = [
                (zone, "SOA", f"ns1.{zone} hostmaster.{zone} 1 3600 600 86400 300"),
                (zone, "NS", f"ns1.{zone}"),
                (f"ns1.{zone}", "A", "127.0.0.1"),
            ]
            for name, kind, content in rows:
                database.execute(
                    "INSERT INTO records (domain_id, name, type, content, ttl, auth) VALUES (?, ?, ?, ?, 300, 1)",
                    [number, name, kind, content],
                )
            for kind in ("ALLOW-DNSUPDATE-FROM", "TSIG-ALLOW-DNSUPDATE"):
                value = KEY_NAME if kind.startswith("TSIG") else "127.0.0.0/8"
                database.execute(
                    "INSERT INTO domainmetadata (domain_id, kind, content) VALUES (?, ?, ?)", [number, kind, value]
                )
