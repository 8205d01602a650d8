"""No secret of a fleet in any output: passwords, identities, fleet keys and private keys, whatever goes wrong."""

import logging
import os
import re
import tempfile
from base64 import b64encode
from pathlib import Path

import pytest

from dkimctl.fleet.database import connect
from dkimctl.fleet.identity import read_identity
from dkimctl.fleet.vault import open_vault, read_operator
from dkimctl.programs import environment
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server
from tests.postgres_server import FAST, running

PASSWORD = "n0body-may-see-this"
RIGHT = "postgresql://{role}:{password}@127.0.0.1:{port}/{name}"
COMMANDS = (
    ("fleet", "init"),
    ("fleet", "upgrade"),
    ("fleet", "status"),
    ("fleet", "status", "--json"),
    ("fleet", "join", "mx1"),
    ("fleet", "approve", "mx1"),
    ("fleet", "sync"),
    ("fleet", "sync", "--before-start"),
    ("fleet", "import"),
    ("fleet", "export"),
    ("genkey", "a.example"),
    ("rotate",),
    ("status",),
    ("doctor",),
)


def test_no_output_has_a_secret_of_a_fleet(
    dkimctl_inside: DkimctlInside,
    postgres: Server,
    empty_database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every command with the right password, a wrong one, and one that breaks the URL, at -vv, bug reports included."""
    home = dkimctl_inside.scratch.home
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    caplog.set_level(logging.DEBUG)
    role = f"control_{empty_database}"
    postgres.run(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    given = {"role": role, "port": postgres.port, "name": empty_database}
    path = configure(dkimctl_inside.scratch, postgres, empty_database)
    path.write_text('[fleet]\ndatabase_file = "/etc/dkimctl/database"\n')
    file = path.with_name("database")
    file.touch(mode=0o600)
    codes = []
    for password in (PASSWORD, f"{PASSWORD}-wrong", f"{PASSWORD}/@:x"):
        file.write_text(RIGHT.format(**given, password=password))
        for words in COMMANDS:
            caplog.clear()
            more = ("--output", str(home / "keys")) if "export" in words else ()
            ended = dkimctl_inside(*words, *more, "-vv", env={"PGPASSWORD": PASSWORD})
            codes.append(ended.code)
            said = "\n".join((ended.out, ended.err, caplog.text, *texts(home, but=home / "keys")))
            for secret in (PASSWORD, "PGPASSWORD", *secrets(dkimctl_inside.root)):
                assert secret not in said, f"{words}: {secret[:4]}…"
    assert codes.count(0) > 5 and 70 not in codes


def texts(place: Path, but: Path) -> list[str]:
    """What was left behind, but for what was asked for."""
    return [path.read_text(errors="replace") for path in place.rglob("*") if path.is_file() and but not in path.parents]


def secrets(root: Path) -> list[str]:
    """The identities there are by now, and what they open is in no file."""
    places = (root / "etc/dkimctl" / name for name in ("fleet.age", "relay.age"))
    found = [identity.secret for path in places if (identity := read_identity(path))]
    keys = [line for path in root.rglob("*.private") for line in path.read_text().splitlines() if len(line) > 40]
    return found + keys


def test_a_child_is_given_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not libpq's variables, and nothing else of this process: /proc shows a child's environment to its user."""
    for name in ("PGPASSWORD", "PGSERVICEFILE", "PGPASSFILE", "DKIMCTL_CONFIG"):
        monkeypatch.setenv(name, PASSWORD)
    given = environment()
    assert not any(re.match("PG|DKIMCTL|OVH", name) for name in given)
    assert PASSWORD not in "".join(given.values()) and os.environ["PGPASSWORD"] == PASSWORD


def test_the_server_sees_no_secret(dkimctl_inside: DkimctlInside) -> None:
    """Neither its log with every statement and parameter, nor any row, has a key in plain, as text or in octets."""
    with running(("log_statement=all", "log_min_duration_statement=0", "log_parameter_max_length=-1", *FAST)) as server:
        server.run("CREATE DATABASE fleet")
        configure(dkimctl_inside.scratch, server, "fleet")
        codes = [dkimctl_inside(*words.split()).code for words in SPOKEN]
        codes.append(dkimctl_inside("fleet", "export", "--output", dkimctl_inside.root / "srv").code)
        with connect(server.url("fleet")) as database:
            fingerprint = database.value("SELECT fingerprint FROM dkimctl.relay")
            codes.append(dkimctl_inside("fleet", "approve", "mx1", "--fingerprint", fingerprint).code)
            codes.append(dkimctl_inside("fleet", "sync").code)
            tables = database.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'dkimctl'")
            rows = [row for (name,) in tables for row in database.rows(f'SELECT t::text FROM dkimctl."{name}" t')]
            identity = read_operator(dkimctl_inside.root / "etc/dkimctl/fleet.age")
            fleet_keys = open_vault(database, identity).secrets.values()
        log = (server.directory / "log").read_text(errors="replace")
    assert codes == [0] * (len(codes) - 1) + [3] and "INSERT INTO dkimctl.relay" in log and len(rows) > 5
    private = [path.read_bytes() for path in dkimctl_inside.root.rglob("*.private")]
    assert len(private) == 2, "exported, and brought by the sync"
    hidden = [*secrets(dkimctl_inside.root), *map(bytes.hex, [*fleet_keys, *private])]
    hidden += [b64encode(one).decode() for one in fleet_keys]
    seen = log + "".join(row for (row,) in rows)
    assert not [one[:9] for one in hidden if one in seen]


SPOKEN = (
    "fleet init",
    "genkey a.example",
    "fleet import",
    "fleet join mx1",
    "fleet status --json",
)
