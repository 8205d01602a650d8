"""A real PostgreSQL for tests and benchmarks: a server in a directory of its own, run by an ordinary user."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.ports import free_port_everywhere

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
OWNER = "owner"
"""The superuser of the server, who owns the databases."""
_numbers = count()


class Missing(Exception):
    """What is needed for a server and is not on this machine."""


def programs() -> Path:
    """Where initdb and postgres are: Debian keeps them out of the PATH, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise Missing("postgres is not installed (apt-get install postgresql)")
    return found[-1].parent


def _psycopg() -> Any:
    """The library, imported only by what uses it."""
    try:
        import psycopg
    except ImportError:
        raise Missing("psycopg is not installed (pip install 'dkimctl[fleet]')") from None
    return psycopg


def require() -> None:
    """Raise Missing where no server can be run."""
    _psycopg(), programs()


class Server:
    """A server in a directory of its own, run by an ordinary user; it ends with the process that started it."""

    def __init__(self, directory: Path, settings: tuple[str, ...] = FAST, before: tuple[str, ...] = ()) -> None:
        """`before`: words before the server's command."""
        self.directory = directory
        self._settings = settings
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port_everywhere("127.0.0.1")
        directory.chmod(0o755)
        data = directory / "data"
        data.mkdir(mode=0o700)
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(data, self._user.pw_uid, self._user.pw_gid)
        made = f"-U {OWNER} --auth-local trust --auth-host scram-sha-256 -E UTF8 --locale C --no-sync --no-instructions"
        certificate = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=other.example -days 9"
        for command in (
            [programs() / "initdb", "-D", data, *made.split()],
            ["openssl", *certificate.split(), "-keyout", data / "server.key", "-out", data / "server.crt"],
        ):
            subprocess.run([*self._as_user(), *map(str, command)], check=True, capture_output=True, cwd="/")

    def _as_user(self, *options: str) -> list[str]:
        become = [] if os.geteuid() else ["--reuid", self._user.pw_name, "--regid", str(self._user.pw_gid)]
        return ["setpriv", *become, *(["--clear-groups"] if become else []), "--no-new-privs", *options]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        socket = self.directory / "socket"
        socket.mkdir(mode=0o777, exist_ok=True)
        os.chown(socket, self._user.pw_uid, self._user.pw_gid)
        fixed = (f"unix_socket_directories={socket}", "listen_addresses=127.0.0.1", f"port={self.port}", "ssl=on")
        settings = [*fixed, "max_connections=50", *self._settings]
        options = [word for setting in settings for word in ("-c", setting)]
        with (self.directory / "log").open("ab") as log:
            become = self._as_user("--pdeathsig", "QUIT")
            command = [*self._before, *become, str(programs() / "postgres"), "-D", str(self.directory / "data")]
            self._process = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd="/")
        end = monotonic() + 60
        while True:
            try:
                _psycopg().connect(self.url("postgres")).close()
                return
            except _psycopg().OperationalError:
                assert self._process.poll() is None and monotonic() < end, (self.directory / "log").read_text()
                sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it at once; `kill`: as a crash does, without a last word to its clients' disks."""
        if self._process is None:
            return
        if kill:
            self._process.kill()  # its children notice, and end by themselves
        else:
            self._process.send_signal(3)  # SIGQUIT: an immediate shutdown
        self._process.wait(60)
        self._process = None

    def url(self, database: str, role: str = OWNER) -> str:
        """The connection string of one of its databases for a role."""
        return f"postgresql://{role}@/{database}?host={self.directory}/socket&port={self.port}"

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser, outside any transaction."""
        with _psycopg().connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self, template: str = "template1") -> str:
        """Make a database; return its name."""
        name = f"test_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


@contextmanager
def running(settings: tuple[str, ...] = FAST, before: tuple[str, ...] = ()) -> Iterator[Server]:
    """Give a server that runs, and take everything of it away."""
    require()
    directory = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the path of a socket has at most 107 characters
    server = Server(directory, settings, before)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
