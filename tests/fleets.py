"""Fleets for the tests: a configuration that names a database of the test server."""

from pathlib import Path

from tests.conftest import Scratch
from tests.postgres import Server


def configure(scratch: Scratch, postgres: Server, database: str, role: str = "owner", more: str = "") -> Path:
    """Write a configuration that names this database; return its path below the root."""
    path = scratch.root / "etc/dkimctl/dkimctl.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{more}\n[fleet]\ndatabase = "{postgres.url(database, role)}"\n')
    return path
