"""How a PostgreSQL server is named: libpq's connection strings and URLs, and what of them a message may show.

No message has a password: what libpq says of a connection string is not repeated.
"""

from collections.abc import Mapping
from typing import Any

from dkimctl.errors import ConfigError
from dkimctl.names import printable

INSTALL = "install them with dkimctl: pip install 'dkimctl[fleet]'"
_MOST_SHOWN = 300


def has_password(conninfo: str) -> bool:
    """Return True for a connection string with a password in it. Raises ConfigError when it is none."""
    return any(understood(conninfo).get(name) for name in ("password", "sslpassword"))


def library() -> Any:
    """Return the module psycopg. Raises ConfigError where it is not installed."""
    try:
        import psycopg
    except ImportError:  # the package itself, or the libpq below it
        raise ConfigError("a fleet needs the libraries psycopg and pyrage", hint=INSTALL) from None
    return psycopg


def understood(conninfo: str) -> dict[str, object]:
    """Return the options of a connection string or URL. Raises ConfigError when it is none."""
    pg = library()
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


def shown_of(given: Mapping[str, object]) -> str:
    """Return the database in words, for messages."""
    words = [f"{name}={value}" for name in ("service", "host", "port", "dbname", "user") if (value := given.get(name))]
    return printable(f"database {' '.join(words) or 'of the environment'}", _MOST_SHOWN)
