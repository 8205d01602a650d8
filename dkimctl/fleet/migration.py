"""The schema of the fleet's database: numbered SQL files, each applied once, in a transaction of its own."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from dkimctl.errors import CheckFailed, Refused
from dkimctl.fleet.database import Database

_FILES = Path(__file__).parent / "schema"
_LOCK = 0x646B696D
"""The advisory lock that lets one `fleet upgrade` at a time change the schema; any number of our own."""
_VERSION_TABLE = """
CREATE SCHEMA dkimctl;
CREATE TABLE dkimctl.schema_version (
    version integer PRIMARY KEY,
    applied timestamptz NOT NULL DEFAULT now()
)"""


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the steps, in their order; the last one's version is the program's."""
    found = sorted(_FILES.glob("*.sql"))
    return tuple(Migration(int(re.findall(r"\d+", path.stem)[0]), path.read_text("utf-8")) for path in found)


def schema_version(database: Database) -> int:
    """Return the version of the database's schema; 0 where there is none.

    Raises CheckFailed for one that is not dkimctl's, or whose steps have gaps.
    """
    there = database.row(
        "SELECT to_regnamespace('dkimctl') IS NOT NULL, to_regclass('dkimctl.schema_version') IS NOT NULL"
    )
    if there == (False, False):
        return 0
    if there != (True, True):
        raise CheckFailed(
            f"the {database.shown} has a schema dkimctl without a version",
            hint="it is another program's, or restored in part: use a database of dkimctl's own, or restore a backup",
        )
    applied = [version for (version,) in database.rows("SELECT version FROM dkimctl.schema_version ORDER BY version")]
    if applied != list(range(1, len(applied) + 1)) or not applied:
        raise CheckFailed(
            f"the schema of the {database.shown} was upgraded only in part: it has the steps {applied}",
            hint="restore a complete backup",
        )
    return len(applied)


def refuse_other_version(database: Database) -> None:
    """Raise Refused where the database is older or newer than this program, or has no schema yet."""
    version, wanted = schema_version(database), migrations()[-1].version
    if version == 0:
        raise Refused(
            f"the {database.shown} has no fleet yet", hint="make it from the control host: dkimctl fleet init"
        )
    if version < wanted:
        raise Refused(
            f"the {database.shown} has schema {version}, and this dkimctl needs {wanted}",
            hint="once every host runs this version of dkimctl, upgrade it from the control host: "
            "dkimctl fleet upgrade",
        )
    _refuse_newer(database, version)


def migrate(database: Database) -> tuple[int, int]:
    """Bring the schema to the version of this program; return its version before and after.

    A step that fails, or is killed, leaves the version before it. Raises Refused when the database is newer.
    """
    before = version = schema_version(database)
    _refuse_newer(database, version)
    for step in migrations():
        with database.transaction():
            database.run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            version = schema_version(database)  # another upgrade may have come first
            if step.version <= version:
                continue
            if version == 0:
                database.run(_VERSION_TABLE)
            database.run(step.sql)
            database.run("INSERT INTO dkimctl.schema_version (version) VALUES (%s)", (step.version,))
    return before, schema_version(database)


def _refuse_newer(database: Database, version: int) -> None:
    wanted = migrations()[-1].version
    if version > wanted:
        raise Refused(
            f"the {database.shown} has schema {version}, newer than the {wanted} that this dkimctl knows",
            hint="upgrade dkimctl on this host",
        )
