"""No secret of a fleet in any output: passwords, identities, fleet keys and private keys, whatever goes wrong."""

import logging
import os
import re
import tempfile
from pathlib import Path

import pytest

from dkimctl.fleet.identity import read_identity
from dkimctl.programs import environment
from tests.conftest import DkimctlInside
from tests.fleets import configure
from tests.postgres import Server

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
