"""The door to PostgreSQL: sessions and transactions. Rows go in and out as plain tuples."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from dkimctl.fleet.database_errors import connection_error, statement_error
from dkimctl.fleet.database_names import library, shown_of, understood

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object] | None

CHANNEL = "dkimctl"
"""The channel of NOTIFY: each new generation is told there."""
_DEFAULTS: dict[str, object] = {
    "application_name": "dkimctl",
    "connect_timeout": 10,
    "client_encoding": "utf8",
    "options": "",  # not those of PGOPTIONS, which may switch off what the schema relies on
    # a connection that died without a word is noticed within a minute, on this side and on the server's
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 4,
}
_SESSION = {
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "4",
    "client_min_messages": "error",
    # a relay must never have seen a generation that a crash of the server takes back
    "synchronous_commit": "on",
    # no function or operator that another role made is called in place of PostgreSQL's own
    "search_path": "pg_catalog, pg_temp",
    # a server, a role or PGDATESTYLE may have others; in these, values are read
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_isolation": "read committed",
}
"""What every session sets, whatever the server, the role and the environment say."""
_SET = "SELECT " + ", ".join(f"pg_catalog.set_config('{name}', '{value}', false)" for name, value in _SESSION.items())


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
            raise statement_error(error, self.shown) from error


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
    pg = library()
    given = understood(conninfo)
    shown = shown_of(given)
    try:
        connection: Connection[Row] = (_impatient(patience + 1) if patience else pg).connect(
            **{**_DEFAULTS, **given, **({"connect_timeout": patience} if patience else {})},
            autocommit=True,
        )
        connection.execute(_SET.encode())
        if patience:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{patience}s",))
    except pg.Error as error:
        raise connection_error(error, shown) from None  # its traceback would have the password
    return Database(connection, shown, patience)


def _impatient(patience: int) -> Any:
    from dkimctl.fleet.database_patience import impatient

    return impatient(patience)
