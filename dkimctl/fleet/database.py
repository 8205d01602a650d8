"""The door to PostgreSQL: connections, transactions, and psycopg's exceptions as ours.

Rows go in and out as plain tuples. No message of an error has a password: what libpq says of a connection string is not
repeated, and it never puts a password into what it says of a server.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from dkimctl.errors import RUN_AGAIN, CheckFailed, ConfigError, DkimctlError, Refused, Unavailable
from dkimctl.names import printable

if TYPE_CHECKING:
    import psycopg
    from psycopg import Connection, Cursor

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object] | None

INSTALL = "install them beside dkimctl: pip install 'dkimctl[fleet]'"
CHANNEL = "dkimctl"
"""The channel of NOTIFY: each new generation is told there."""
_SECRET = ("password", "sslpassword", "passfile")
_DEFAULTS: dict[str, object] = {
    "application_name": "dkimctl",
    "connect_timeout": 10,
    # a connection that died without a word is noticed within a minute, on this side and on the server's
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
}
_SERVER_SETTINGS = (
    "SELECT set_config('tcp_keepalives_idle', '20', false), set_config('tcp_keepalives_interval', '10', false), "
    "set_config('tcp_keepalives_count', '4', false), set_config('TimeZone', 'UTC', false), "
    "set_config('client_min_messages', 'error', false), "
    # a relay must never have seen a generation that a crash of the server takes back
    "set_config('synchronous_commit', 'on', false)"
)
_MOST_SHOWN = 300


class Database:
    """One session at the fleet's database. Every statement outside `transaction` is one of its own."""

    def __init__(self, connection: "Connection[Row]", shown: str, patience: int = 0) -> None:
        self._connection = connection
        self._patience = patience
        self._lock = RLock()
        """Threads share the session: a transaction of one is none of the others'."""
        self.shown = shown
        """The database in words, for messages."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session: what it has claimed is free."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside, or nothing. One inside another is a savepoint."""
        with self._errors(), self._connection.transaction():
            yield

    def run(self, statement: str, parameters: Parameters = None) -> int:
        """Run a statement, or without parameters several; return how many rows the last one changed or found."""
        with self._errors():
            return self._execute(statement, parameters).rowcount

    def rows(self, statement: str, parameters: Parameters = None) -> list[Row]:
        """Return all rows of a query."""
        with self._errors():
            return self._execute(statement, parameters).fetchall()

    def row(self, statement: str, parameters: Parameters = None) -> Row | None:
        """Return the first row of a query, or None."""
        with self._errors():
            return self._execute(statement, parameters).fetchone()

    def value(self, statement: str, parameters: Parameters = None) -> Any:
        """Return the first column of the first row; None when there is no row."""
        found = self.row(statement, parameters)
        return found[0] if found else None

    def stream(self, statement: str, parameters: Parameters = None, *, at_once: int = 1000) -> Iterator[Row]:
        """Yield the rows of a query, so many fetched at once, in a transaction that ends with the last row.

        For one thread alone: what others do meanwhile would be in that transaction. Values come in binary: the octets
        of a key are half as long as in hexadecimal digits.
        """
        with self._errors(), self._connection.transaction(), self._connection.cursor(name="dkimctl") as cursor:
            cursor.itersize = at_once
            cursor.execute(statement.encode(), parameters, binary=True)
            yield from cursor

    def copy_in(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Send many rows: `COPY table (columns) FROM STDIN`."""
        with self._errors(), self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for row in rows:
                copy.write_row(row)

    def beside(self, name: str) -> "Database":
        """Return a session at another database of the same server, as patient as this one. Raises as `connect`."""
        from psycopg.conninfo import make_conninfo

        known = self._connection.info
        password = {"password": known.password} if known.password else {}
        return connect(
            make_conninfo("", **{**known.get_parameters(), **password, "dbname": name}), patience=self._patience
        )

    def again(self) -> "Database":
        """Return another session at the same database. Raises as `connect`."""
        return self.beside(self._connection.info.dbname)

    def listen(self) -> None:
        """Hear from now on of new generations."""
        self.run(f"LISTEN {CHANNEL}")

    def wait_for_news(self, seconds: float) -> bool:
        """Wait until a new generation is told, at most so long; return whether one was."""
        with self._errors():
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def _execute(self, statement: str, parameters: Parameters) -> "Cursor[Row]":
        return self._connection.execute(statement.encode(), parameters)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn psycopg's exceptions into ours; one thread at a time."""
        from psycopg import Error

        try:
            with self._lock:
                yield
        except Error as error:
            raise _our_error(error, self.shown) from error


def as_json(value: object) -> object:
    """Return a value as it is given to a statement for a column of JSON."""
    from psycopg.types.json import Jsonb

    return Jsonb(value)


def connect(conninfo: str, *, patience: int = 0) -> Database:
    """Return a session at the database of a libpq connection string or URL.

    `patience`: seconds to wait for the server, and for the end of each statement; 0: as usual. Then the server ends the
    statement; one that hangs ends nothing, and the connection to it is cut a second later.

    Raises ConfigError for one that cannot be understood, or a role or password that the server does not accept;
    Unavailable where the server cannot be reached; both without the password.
    """
    pg = _library()
    given = _understood(conninfo)
    shown = _shown(given)
    try:
        connection: Connection[Row] = (_impatient(patience + 1) if patience else pg).connect(
            **{**_DEFAULTS, **given, **({"connect_timeout": patience} if patience else {})},
            autocommit=True,
        )
        connection.execute(_SERVER_SETTINGS)
        if patience:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{patience}s",))
    except pg.Error as error:
        raise _connection_error(error, shown) from None  # its traceback would have the password
    return Database(connection, shown, patience)


def has_password(conninfo: str) -> bool:
    """Return True for a connection string with a password in it. Raises ConfigError when it is none."""
    return any(_understood(conninfo).get(name) for name in ("password", "sslpassword"))


def _library() -> Any:
    try:
        import psycopg
    except ImportError:  # the package itself, or the libpq below it
        raise ConfigError("a fleet needs the libraries psycopg and pyrage", hint=INSTALL) from None
    return psycopg


def _impatient(patience: int) -> Any:
    from dkimctl.fleet.database_patience import impatient

    return impatient(patience)


def _understood(conninfo: str) -> dict[str, object]:
    pg = _library()
    from psycopg.conninfo import conninfo_to_dict

    try:
        given: dict[str, object] = dict(conninfo_to_dict(conninfo))
    except pg.Error:
        given = {"port": "unknown"}  # its own message may repeat the password
    # a password with / or @ in a URL is taken for a port, a name or a host
    if not str(given.get("port", "0")).replace(",", "").isdigit() or any(
        "@" in str(given.get(name, ""))[1:] for name in ("host", "dbname")
    ):
        raise ConfigError(
            "the fleet's database is not named as libpq expects it",
            hint='write it as a URL, [fleet] database = "postgresql:///dkimctl", or as "host=… dbname=…"; '
            "characters such as @ and / in a password are %40 and %2F in a URL",
        )
    return given


def _shown(given: dict[str, object]) -> str:
    words = [f"{name}={value}" for name in ("service", "host", "port", "dbname", "user") if (value := given.get(name))]
    return printable(f"database {' '.join(words) or 'of the environment'}", _MOST_SHOWN)


# --- errors


def _connection_error(error: "psycopg.Error", shown: str) -> DkimctlError:
    said = _text(error)
    for words, hint in _CONNECTION_HINTS:
        if words in said:
            return ConfigError(f"the {shown} refuses the connection: {said}", hint=hint)
    return Unavailable(
        f"cannot connect to the {shown}: {said}",
        hint="check that PostgreSQL runs and [fleet] database in the configuration; then " + RUN_AGAIN,
    )


_CONNECTION_HINTS = (
    ("password authentication failed", "check the password in the file that database_file names, or in ~/.pgpass"),
    ("no password supplied", "put the password into a file of mode 0600 and name it with database_file"),
    ("Peer authentication failed", "run it as the system user of that role, or see pg_ident.conf on the server"),
    ("no pg_hba.conf entry", "allow this host, role and database in pg_hba.conf on the server"),
    ("certificate", "give the server's certificate authority with sslrootcert=FILE, and the name that it certifies"),
    ("does not support SSL", "switch TLS on in postgresql.conf on the server, or change sslmode"),
    ("definition of service", "check the name after service= and the file that PGSERVICEFILE names"),
    ("does not exist", "make it on the server: createuser --createrole ROLE, createdb --owner ROLE dkimctl"),
    ("invalid", "check the options in [fleet] database"),
)
"""What a server or libpq says when the configuration, and not the moment, is the cause."""


def _our_error(error: "psycopg.Error", shown: str) -> DkimctlError:
    """Return the error of ours for what a statement met. SQLSTATE classes: PostgreSQL's appendix A."""
    code, said = error.sqlstate or "", _text(error)
    if code == "25006":
        return Unavailable(
            f"the {shown} is read-only: {said}",
            hint="it may be a standby: name the primary, or all servers and target_session_attrs=read-write",
        )
    if code in ("53100", "54000"):
        return Unavailable(f"the {shown} is full: {said}", hint="free disk space on its server; then " + RUN_AGAIN)
    if code == "42501":
        return ConfigError(
            f"the role may not do this in the {shown}: {said}",
            hint="the control host's role needs: GRANT dkimctl_control TO role; a relay's, GRANT dkimctl_relay; "
            "fleet init and fleet upgrade are run by the database's owner, who may make roles: man dkimctl-fleet",
        )
    if code in ("42P01", "42703", "42883", "3F000"):
        return CheckFailed(
            f"the {shown} is not whole: {said}",
            hint="it was changed by hand, or restored in part: restore a complete backup",
        )
    if code in ("40001", "40P01", "55P03", "57014"):
        return Unavailable(f"the {shown} gave way to another session: {said}", hint=RUN_AGAIN)
    if code.startswith(("22", "23")):
        return Refused(f"the {shown} refuses a value: {said}", hint="look at the domain or key that it names")
    if not code or code.startswith(("08", "57", "53", "58")):
        return Unavailable(
            f"the connection to the {shown} is lost: {said}", hint="see that PostgreSQL runs; then " + RUN_AGAIN
        )
    return Unavailable(f"the {shown} failed: {said}", hint="see PostgreSQL's log; then " + RUN_AGAIN)


def _text(error: "psycopg.Error") -> str:
    first = error.diag.message_primary or str(error)
    return printable(" ".join(first.split()), _MOST_SHOWN)
