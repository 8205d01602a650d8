"""The fleet's database: its schema, its roles, and what goes wrong with it, against a real PostgreSQL."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pwd import getpwnam

import pytest

from dkimctl.config.settings import Fleet, Settings
from dkimctl.errors import CheckFailed, ConfigError, DkimctlError, Refused, Unavailable
from dkimctl.fleet import migration
from dkimctl.fleet.access import open_fleet
from dkimctl.fleet.database import Database, connect
from dkimctl.fleet.migration import Migration, migrate, refuse_other_version, schema_version
from tests.conftest import needs
from tests.postgres import Server, running

LAST = migration.migrations()[-1].version


def as_role(postgres: Server, database: str, role: str, member_of: str) -> Database:
    """A session of a role that is made for it."""
    postgres.run(f"DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN IN ROLE {member_of}")
    return connect(postgres.url(database, role))


def add_key(database: Database, domain: str, selector: str = "a", phase: str = "generated") -> None:
    """A key without much in it."""
    database.run("INSERT INTO dkimctl.domain (name) VALUES (%s) ON CONFLICT DO NOTHING", (domain,))
    database.run(
        "INSERT INTO dkimctl.key (domain, stem, selector, identity, phase, metadata, sealed, fleet_key) "
        "VALUES (%s, %s, %s, '', %s, '{}', 'x', 1)",
        (domain, selector, selector, phase),
    )


def generation(database: Database) -> int:
    """The fleet's generation."""
    return int(database.value("SELECT generation FROM dkimctl.fleet"))


def test_init_makes_the_schema_once(postgres: Server, empty_database: str) -> None:
    """The first run makes everything, the second changes nothing; before, every other command says how to begin."""
    with connect(postgres.url(empty_database)) as database:
        assert schema_version(database) == 0
        with pytest.raises(Refused) as refused:
            refuse_other_version(database)
        assert "fleet init" in refused.value.hint
        assert migrate(database) == (0, LAST)
        assert migrate(database) == (LAST, LAST)
        refuse_other_version(database)


def test_an_older_or_newer_database_is_refused(
    postgres: Server, fleet_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older: `fleet upgrade` is named, and upgrades it. Newer: the program is to be upgraded. Nothing is touched."""
    with connect(postgres.url(fleet_database)) as database:
        newer = (*migration.migrations(), Migration(LAST + 1, "CREATE TABLE dkimctl.more ()"))
        with monkeypatch.context() as patch:
            patch.setattr(migration, "migrations", lambda: newer)
            with pytest.raises(Refused) as older:
                refuse_other_version(database)
            assert "fleet upgrade" in older.value.hint
            assert migrate(database) == (LAST, LAST + 1)
        for refuse in (refuse_other_version, migrate):
            with pytest.raises(Refused) as too_new:
                refuse(database)
            assert "upgrade dkimctl" in too_new.value.hint


def test_a_step_that_fails_leaves_the_version_before(
    postgres: Server, fleet_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step is applied whole or not at all."""
    broken = (*migration.migrations(), Migration(LAST + 1, "CREATE TABLE dkimctl.more (); SELECT nonsense"))
    monkeypatch.setattr(migration, "migrations", lambda: broken)
    with connect(postgres.url(fleet_database)) as database:
        with pytest.raises(DkimctlError):
            migrate(database)
        assert schema_version(database) == LAST
        assert database.value("SELECT to_regclass('dkimctl.more')") is None


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE dkimctl.schema_version",
        "DELETE FROM dkimctl.schema_version",
        "UPDATE dkimctl.schema_version SET version = version + 1000",
    ],
)
def test_a_half_made_database_is_refused(postgres: Server, fleet_database: str, damage: str) -> None:
    """A schema that is another program's, or restored in part, is not touched."""
    with connect(postgres.url(fleet_database)) as database:
        database.run(damage)
        for look in (refuse_other_version, migrate):
            with pytest.raises(CheckFailed) as refused:
                look(database)
            assert "backup" in refused.value.hint


def test_a_table_that_is_missing_is_named(postgres: Server, fleet_database: str) -> None:
    """What a partial restore has left out is said in one line."""
    with connect(postgres.url(fleet_database)) as database:
        database.run("DROP TABLE dkimctl.fleet_key_wrap")
        with pytest.raises(CheckFailed, match="fleet_key_wrap"):
            database.rows("SELECT * FROM dkimctl.fleet_key_wrap")


def test_what_a_step_makes_is_there_already(postgres: Server, fleet_database: str) -> None:
    """Tables of a newer version than the database says: it is named, and nothing says that trying again helps."""
    with connect(postgres.url(fleet_database)) as database:
        database.run("DELETE FROM dkimctl.schema_version WHERE version > 1")
        with pytest.raises(CheckFailed, match=r"not whole.*already exists") as refused:
            migrate(database)
        assert "backup" in refused.value.hint


def test_generations_rise_with_what_relays_must_hear(postgres: Server, fleet_database: str) -> None:
    """One generation for each transaction with a new or changed key; none for facts, and none for one undone."""
    with connect(postgres.url(fleet_database)) as database:
        database.listen()
        with database.transaction():
            add_key(database, "a.example")
            add_key(database, "b.example")
        assert generation(database) == 1
        assert database.wait_for_news(10)
        change = "UPDATE dkimctl.key SET {} WHERE domain = 'a.example'"
        database.run(change.format("""metadata = '{"facts": {"seen": 1}}'"""))
        assert generation(database) == 1
        with pytest.raises(ZeroDivisionError), database.transaction():
            database.run(change.format("phase = 'active'"))
            raise ZeroDivisionError
        assert generation(database) == 1
        database.run(change.format("phase = 'published'"))
        database.run(change.format("sealed = 'y'"))
        assert database.rows("SELECT domain, generation, version FROM dkimctl.key ORDER BY domain") == [
            ("a.example", 3, 3),
            ("b.example", 1, 0),
        ]
        with pytest.raises(Refused, match="only rises"):
            database.run("UPDATE dkimctl.fleet SET generation = 2")


def test_generations_are_seen_in_their_order(postgres: Server, fleet_database: str) -> None:
    """While one change is on its way, another waits: who has read up to N has missed none below it."""
    with connect(postgres.url(fleet_database)) as first, connect(postgres.url(fleet_database)) as second:
        add_key(first, "a.example")
        second.run("SET lock_timeout = '50ms'")
        with first.transaction():
            first.run("UPDATE dkimctl.key SET phase = 'active'")
            with pytest.raises(Unavailable):
                add_key(second, "b.example")
        add_key(second, "c.example")
        assert generation(second) == 3


def test_a_relay_sees_the_keys_and_of_the_rest_its_own(postgres: Server, fleet_database: str) -> None:
    """Nothing before it is approved, and after it no other relay's rows; it cannot approve itself."""
    join = "INSERT INTO dkimctl.relay (name, recipient, fingerprint) VALUES (%s, %s, '')"
    with (
        connect(postgres.url(fleet_database)) as control,
        as_role(postgres, fleet_database, "mx1", "dkimctl_relay") as relay,
        as_role(postgres, fleet_database, "mx2", "dkimctl_relay") as other,
    ):
        add_key(control, "a.example")
        relay.run(join, ("mx1", "age1one"))
        other.run(join, ("mx2", "age1two"))
        with pytest.raises(Refused):  # one identity, two relays
            other.run(join, ("mx3", "age1one"))
        assert relay.rows("SELECT name FROM dkimctl.relay") == [("mx1",)]
        assert relay.rows("SELECT sealed FROM dkimctl.key") == []
        for forbidden in (
            "UPDATE dkimctl.relay SET state = 'approved'",
            "UPDATE dkimctl.key SET phase = 'active'",
            "DELETE FROM dkimctl.relay",
            "SELECT dkimctl.next_generation()",
            "INSERT INTO dkimctl.domain (name) VALUES ('c.example')",
        ):
            with pytest.raises(ConfigError):
                relay.run(forbidden)
        control.run("UPDATE dkimctl.relay SET state = 'approved' WHERE name = 'mx1'")
        wrap = "INSERT INTO dkimctl.fleet_key_wrap VALUES (1, %s, %s, '')"
        control.run(wrap, ("age1one", "mx1"))
        control.run(wrap, ("age1operator", None))
        assert relay.rows("SELECT domain FROM dkimctl.key") == [("a.example",)]
        assert relay.rows("SELECT recipient FROM dkimctl.fleet_key_wrap") == [("age1one",)]
        assert other.rows("SELECT domain FROM dkimctl.key") == []
        assert relay.run("UPDATE dkimctl.relay SET generation = 1, heartbeat = now()") == 1
        assert control.rows("SELECT name, generation FROM dkimctl.relay ORDER BY name") == [("mx1", 1), ("mx2", 0)]
        noted = "INSERT INTO dkimctl.key_on_relay (relay, key, held) SELECT %s, id, true FROM dkimctl.key"
        relay.run(noted, ("mx1",))
        with pytest.raises(ConfigError):
            relay.run(noted, ("mx2",))


def test_monitoring_reads_views_and_no_private_key(postgres: Server, fleet_database: str) -> None:
    """The reader's role may look at every view and at no table; no view has a sealed key."""
    with (
        connect(postgres.url(fleet_database)) as owner,
        as_role(postgres, fleet_database, "nagios", "dkimctl_reader") as reader,
    ):
        add_key(owner, "a.example")
        assert reader.rows("SELECT domain, phase, held FROM dkimctl.keys") == [("a.example", "generated", True)]
        assert reader.rows("SELECT domains, keys, relays FROM dkimctl.overview") == [(1, 1, 0)]
        for view in ("keys", "domains", "relays", "overview"):
            reader.rows(f"SELECT * FROM dkimctl.{view}")
            columns = owner.rows("SELECT column_name FROM information_schema.columns WHERE table_name = %s", (view,))
            assert not {"sealed", "wrapped"} & {name for (name,) in columns}
        for table in ("key", "fleet_key_wrap", "relay", "domain"):
            with pytest.raises(ConfigError):
                reader.rows(f"SELECT * FROM dkimctl.{table}")


def test_control_needs_no_more_than_its_role(postgres: Server, fleet_database: str) -> None:
    """A role that owns nothing runs the fleet, and cannot change the schema."""
    with as_role(postgres, fleet_database, "control", "dkimctl_control") as control:
        add_key(control, "a.example")
        control.run("UPDATE dkimctl.key SET phase = 'active'")
        assert generation(control) == 2
        with pytest.raises(ConfigError):
            control.run("DROP TABLE dkimctl.key")


SECRET = "s3cr3t-of-the-fleet"


@pytest.mark.parametrize(
    ("conninfo", "kind", "hint"),
    [
        ("postgresql://nobody@/{name}?host={socket}&port={port}", ConfigError, "createuser"),
        ("postgresql://owner@/nowhere?host={socket}&port={port}", ConfigError, "createdb"),
        ("postgresql://owner@127.0.0.1:{port}/{name}", ConfigError, "database_file"),
        (f"postgresql://owner:{SECRET}@127.0.0.1:{{port}}/{{name}}", ConfigError, "check the password"),
        ("postgresql://owner@127.0.0.1:{port}/{name}?sslmode=verify-full&sslrootcert={crt}", ConfigError, "certif"),
        (
            "postgresql://owner@127.0.0.1:{port}/{name}?sslmode=verify-ca&sslrootcert=/none",
            ConfigError,
            "certif",
        ),
        (f"postgresql://owner:{SECRET}@/x?host=/nonexistent", Unavailable, "PostgreSQL runs"),
        (f"postgresql://owner:{SECRET}@127.0.0.1:1/x", Unavailable, "PostgreSQL runs"),
        (f"postgresql://owner:{SECRET}/x@127.0.0.1:b/x", ConfigError, "%2F"),
        (f"host=x password='{SECRET}", ConfigError, "libpq|URL"),
        (f"nonsense={SECRET}", ConfigError, "URL"),
        ("service=nonsense", ConfigError, "PGSERVICEFILE"),
        ("host=/no/certificate user=invalid dbname=x", Unavailable, "PostgreSQL runs"),
        ("host=certificate.invalid", Unavailable, "PostgreSQL runs"),
        ("host=127.0.0.1 sslmode=nonsense", ConfigError, "options"),
    ],
)
def test_a_wrong_connection_says_what_to_do(
    postgres: Server, empty_database: str, conninfo: str, kind: type[DkimctlError], hint: str, tmp_path: Path
) -> None:
    """A known error with a hint, and no password in it or in what caused it."""
    import re
    import traceback

    crt = tmp_path / "server.crt"
    crt.write_bytes((postgres.directory / "data/server.crt").read_bytes())
    named = conninfo.format(name=empty_database, socket=f"{postgres.directory}/socket", port=postgres.port, crt=crt)
    with pytest.raises(kind) as refused:
        connect(named)
    assert type(refused.value) is kind
    assert re.search(hint, refused.value.hint)
    assert SECRET not in "".join(traceback.format_exception(refused.value)).replace(repr(named), "")


def test_a_password_is_in_a_file_of_mode_0600_or_nowhere(postgres: Server, fleet_database: str, tmp_path: Path) -> None:
    """In the configuration itself, or in a file for all, it is refused; in a file of one's own it is used."""
    secret = tmp_path / "secret"
    for named in (f"postgresql://a:{SECRET}@h/d", f"host=h password={SECRET}"):
        with pytest.raises(ConfigError, match="others may read") as refused:
            open_fleet(Settings(fleet=Fleet(database=named)))
        assert SECRET not in refused.value.message + refused.value.hint
    secret.write_text(postgres.url(fleet_database) + f"&password={SECRET}\n")
    settings = Settings(fleet=Fleet(database_file=str(secret)))
    secret.chmod(0o640)
    with pytest.raises(ConfigError, match="other users"):
        open_fleet(settings)
    secret.chmod(0o600)
    with open_fleet(settings) as database:
        assert SECRET not in database.shown
    secret.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        open_fleet(settings)
    with pytest.raises(ConfigError, match="no database"):
        open_fleet(Settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGCLIENTENCODING", "SQL_ASCII"),
        ("PGDATESTYLE", "German, DMY"),
        ("PGTZ", "Asia/Tokyo"),
        ("PGOPTIONS", "-c session_replication_role=replica -c bytea_output=escape -c intervalstyle=iso_8601"),
        ("PGOPTIONS", "-c statement_timeout=1 -c default_transaction_isolation=serializable"),
    ],
)
def test_the_environment_changes_no_session(
    postgres: Server, fleet_database: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """What libpq takes from it says where the server is, and not how values are read or whether triggers run."""
    monkeypatch.setenv(name, value)
    _has_its_own_settings(postgres, fleet_database)


def test_a_server_with_other_formats(postgres: Server, fleet_database: str) -> None:
    """As an operator sets them for all databases, or for this one."""
    for setting in ("datestyle = 'German, DMY'", "intervalstyle = iso_8601", "bytea_output = escape"):
        postgres.run(f"ALTER DATABASE {fleet_database} SET {setting}")
    _has_its_own_settings(postgres, fleet_database)


def _has_its_own_settings(postgres: Server, name: str) -> None:
    with connect(postgres.url(name)) as database:
        moment = datetime(2026, 12, 1, 5, tzinfo=UTC)
        read = database.row("SELECT 'é', %s::timestamptz, interval '90 min', '\\x00ff'::bytea", (moment,))
        assert read == ("é", moment, timedelta(minutes=90), b"\x00\xff")
        assert database.row("SELECT 'x'::text, current_setting('session_replication_role')") == ("x", "origin")
        before = generation(database)
        add_key(database, "a.example")
        assert generation(database) == before + 1


def test_a_function_of_another_role_is_never_called(postgres: Server, fleet_database: str) -> None:
    """Before PostgreSQL 15 every role may make some in the schema `public`."""
    postgres.run("GRANT CREATE ON SCHEMA public TO PUBLIC", fleet_database)
    postgres.run("CREATE FUNCTION public.length(varchar) RETURNS int RETURN -1", fleet_database)
    with connect(postgres.url(fleet_database)) as database:
        assert database.value("SELECT length('abc'::varchar)") == 3


def test_a_read_only_database_is_no_place_to_write(postgres: Server, fleet_database: str) -> None:
    """A standby is named as what it is."""
    with connect(postgres.url(fleet_database)) as database:
        database.run("SET default_transaction_read_only = on")
        with pytest.raises(Unavailable) as refused:
            add_key(database, "a.example")
        assert "standby" in refused.value.hint


@needs(root=True, namespaces=True)
def test_a_full_disk_is_named_and_nothing_is_half_done() -> None:
    """The server cannot write: what was asked for is not done, and is once there is room again."""
    mounted = f'mount -t tmpfs -o size=24m,uid={getpwnam("postgres").pw_uid} none /mnt && exec "$@"'
    with running(before=("unshare", "--mount", "sh", "-c", mounted, "sh")) as server:
        server.run("CREATE TABLESPACE small LOCATION '/mnt'")
        server.run("CREATE DATABASE full_one TABLESPACE small")
        with connect(server.url("full_one")) as database:
            migrate(database)
            database.run("CREATE TABLE public.filler (text text)")
            with pytest.raises(Unavailable, match="is full") as refused:
                for _ in range(1000):
                    database.run(
                        "INSERT INTO public.filler SELECT repeat(md5(n::text), 9) FROM generate_series(1, 9000) AS n"
                    )
            assert "free disk space" in refused.value.hint
            with pytest.raises(Unavailable, match="is full"), database.transaction():
                for number in range(9999):
                    add_key(database, f"d{number}.example")
            assert (generation(database), database.value("SELECT count(*) FROM dkimctl.key")) == (0, 0)
            database.run("DROP TABLE public.filler")
            database.run("CHECKPOINT")
            add_key(database, "a.example")
            assert generation(database) == 1


def test_a_server_that_goes_away_is_no_traceback() -> None:
    """Killed under a session: one line, and the next session finds what was committed."""
    with running() as server:
        with connect(server.url("postgres")) as database:
            migrate(database)
            add_key(database, "a.example")
            database.run("CHECKPOINT")
            server.stop(kill=True)
            with pytest.raises(Unavailable) as lost:
                database.rows("SELECT 1")
            assert "PostgreSQL runs" in lost.value.hint
        server.start()
        with connect(server.url("postgres")) as database:
            assert database.rows("SELECT domain FROM dkimctl.keys") == [("a.example",)]


@pytest.mark.parametrize("is_working", [True, False], ids=["at work", "stopped"])
def test_a_server_that_hangs_is_given_up(postgres: Server, fleet_database: str, is_working: bool) -> None:
    """By a session with patience, and by those that it opens for parts of a large change set; whatever is asked."""
    with connect(postgres.url(fleet_database), patience=1) as first, first.again() as second:
        for database in (first, second):
            if is_working:
                with pytest.raises(Unavailable):
                    database.value("SELECT pg_sleep(600)")
                assert database.value("SELECT 1") == 1
                continue
            backend = int(database.value("SELECT pg_backend_pid()"))
            rows = database.stream("SELECT generate_series(1, 5000)")
            assert next(rows) == (1,)
            os.kill(backend, signal.SIGSTOP)
            try:
                with pytest.raises(Unavailable):
                    list(rows)
            finally:
                os.kill(backend, signal.SIGCONT)


def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path) -> None:
    """Only a fleet needs the libraries."""
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from dkimctl.errors import ConfigError\nfrom dkimctl.fleet.database import connect\n"
        "try: connect('postgresql:///x')\nexcept ConfigError as error: print(error.hint)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "dkimctl[fleet]" in ended.stdout, ended.stderr
