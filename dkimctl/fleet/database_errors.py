"""What psycopg raises, as errors of ours with a hint. libpq puts no password into what it says of a server."""

import re
from typing import TYPE_CHECKING

from dkimctl.errors import RUN_AGAIN, CheckFailed, ConfigError, DkimctlError, Refused, Unavailable
from dkimctl.names import printable

if TYPE_CHECKING:
    import psycopg

_MOST_SHOWN = 300
_CONNECTION_HINTS = (
    ("password authentication failed", "check the password in the file that database_file names, or in ~/.pgpass"),
    ("no password supplied", "put the password into a file of mode 0600 and name it with database_file"),
    ("Peer authentication failed", "run it as the system user of that role, or see pg_ident.conf on the server"),
    ("pg_hba.conf", "allow this host, role and database in pg_hba.conf on the server"),
    ("certificate", "give the server's certificate authority with sslrootcert=FILE, and the name that it certifies"),
    ("does not support SSL", "switch TLS on in postgresql.conf on the server, or change sslmode"),
    ("definition of service", "check the name after service= and the file that PGSERVICEFILE names"),
    ("does not exist", "make it on the server: createuser --createrole ROLE, createdb --owner ROLE dkimctl"),
    ("invalid", "check the options in [fleet] database"),
)
"""What a server or libpq says when the configuration, and not the moment, is the cause."""
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
"""Names of hosts, roles and files, which may have any word in them."""
_SCHEMA_DIFFERS = ("42P01", "42703", "42883", "3F000", "42P07", "42701", "42710", "42723", "42P06")
"""A table, column, function or schema is missing; or one that a step of the schema makes is already there."""


def connection_error(error: "psycopg.Error", shown: str) -> DkimctlError:
    """Return the error of ours for a server that gave no session."""
    said = _text(error)
    unquoted = _QUOTED.sub("", said)
    for words, hint in _CONNECTION_HINTS:
        if words in unquoted:
            return ConfigError(f"the {shown} refuses the connection: {said}", hint=hint)
    return Unavailable(
        f"cannot connect to the {shown}: {said}",
        hint="check that PostgreSQL runs and [fleet] database in the configuration; then " + RUN_AGAIN,
    )


def statement_error(error: "psycopg.Error", shown: str) -> DkimctlError:
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
    if code in _SCHEMA_DIFFERS:
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
    said = error.diag.message_primary or re.sub(r"^connection (failed|is bad): ", "", str(error))
    lines = dict.fromkeys(line.strip() for line in said.splitlines())  # with TLS and without it the same
    return printable(" ".join(lines), _MOST_SHOWN)
