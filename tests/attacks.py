"""Run inside a box: prepares a host, attacks each path of tests/touched.py in each way, and says what went wrong.

python -m tests.attacks trace FILE            every command once, below strace
python -m tests.attacks matrix FIRST STEP     every STEP-th case from FIRST on; a line of JSON for each
"""

import contextlib
import ctypes
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from dkimctl.keys.pair import Algorithm, generate
from dkimctl.sandbox.calls import LoggedCall
from tests.ovh_people import newest_key
from tests.postgres_server import Server
from tests.postgres_server import running as running_server
from tests.rendering import ARTICLE_CONF, ARTICLE_KEY_TABLE, ARTICLE_SIGNING_TABLE, ARTICLE_TRUSTED_HOSTS
from tests.touched import COMMANDS, HAND, TABLE, Row

ATTACKER = 4242
VICTIM = Path("/victim")
KEPT = (
    "/etc/dkimctl",
    "/etc/opendkim",
    "/etc/opendkim.conf",
    "/etc/postfix",
    "/etc/tmpfiles.d",
    "/etc/rspamd",
    "/etc/dkimpy-milter",
    "/var/lib/rspamd",
    "/var/lib/dkimctl",
    "/var/backups/dkimctl",
    "/var/spool/postfix/opendkim",
    "/var/spool/postfix/dkimpy-milter",
    "/srv",
    "/run/dkimctl",
    "/run/opendkim",
)
"""What is put back before each case."""
STATES = {
    **{"adopt": "by hand", "undo": "adopted", "rotate": "dkimctl", "uninstall": "dkimctl"},
    **{"fleet init": "fleet, empty", "fleet upgrade": "fleet", "fleet import": "fleet", "fleet export": "fleet"},
    **{"fleet approve": "fleet", "fleet status": "fleet", "fleet drain": "fleet", "fleet remove": "fleet"},
    **{"fleet join": "joins", "fleet sync": "relay", "fleet sync again": "synced"},
}
"""The commands that need another host than the one before has left: by hand, adopted, with keys of dkimctl's; a control
host whose database is empty, or has keys and a relay; a host that is to join, a relay, and one that has synced."""
FLEET_STATES = {"fleet, empty", "fleet", "joins", "relay", "synced"}
_SERVER: list[Server] = []
"""The database server of the fleet, once it runs."""
LASTS = {"sandbox": 2.0}
"""Seconds after which a command that only ends when it is told so is told so."""
ZONE = """$TTL 3600
@ IN SOA ns.example.com. host.example.com. 1 3600 600 86400 300
@ IN NS ns
ns IN A 127.0.0.1
"""
CONFIGURATION = """[domains."example.com"]
provider = "zonefile:/srv/zones/example.com.zone"
"""
LIMIT = 10.0
"""Seconds beyond what the command takes when nobody attacks, measured in the same run, after which it hangs."""


def prepare(stack: contextlib.ExitStack) -> None:
    """A host with one key, opendkim's tables, a zone file, and another user's files."""
    for place in KEPT:
        if place not in ("/etc/postfix", "/etc/rspamd", "/etc/tmpfiles.d", "/var/lib/rspamd"):
            _remove(Path(place))
    for place in ("/srv/zones", "/srv/out", "/etc/opendkim", "/etc/dkimctl", "/etc/tmpfiles.d", "/etc/dkimpy-milter"):
        Path(place).mkdir(parents=True, exist_ok=True)
    Path("/etc/dkimctl/dkimctl.toml").write_text(CONFIGURATION)
    Path("/etc/postfix").mkdir(exist_ok=True)
    Path("/etc/postfix/main.cf").write_text("compatibility_level = 3.6\n")
    Path("/etc/postfix/master.cf").write_text("smtp inet n - y - - smtpd\n")
    Path("/srv/zones/example.com.zone").write_text(ZONE)
    Path("/srv/names").write_text("s1._domainkey.example.com\n")
    Path("/srv/mail").write_text("From: a@example.com\nTo: b@example.net\nSubject: test\n\ntest\n")
    (VICTIM / "directory").mkdir(parents=True)
    (VICTIM / "directory/keys").mkdir()
    for name in ("file", "directory/file", "directory/keys/file", "directory/opendkim.conf", "directory/main.cf"):
        (VICTIM / name).write_text("precious\n")
        (VICTIM / name).chmod(0o600)
    Path("/var/lib/rspamd").mkdir(exist_ok=True)
    for compiled in Path("/var/lib/rspamd").glob("*.hsmp*"):  # a hundred megabytes, which each state would have
        compiled.unlink()
    assert run("genkey again") == (0, False), "no key could be made"
    assert run("install") == (0, False), Path("/tmp/said").read_text()
    assert run("genkey more") == (0, False), "no second key could be made"  # so that another installation has work
    subprocess.run(["postconf", "-X", "smtpd_milters", "non_smtpd_milters"], check=False)
    os.utime("/etc/postfix/main.cf", (0, 0))  # postconf waits where it has just changed
    _keep("dkimctl")
    _prepare_by_hand()
    _keep("by hand")
    assert run("adopt") == (0, False), Path("/tmp/said").read_text()
    _keep("adopted")
    reset("dkimctl")
    prepare_fleet(stack)
    reset("dkimctl")


def _prepare_by_hand() -> None:
    """The host of someone who followed an article: one key, tables with patterns, a milter by TCP."""
    for place in ("/etc/opendkim", "/var/backups/dkimctl", "/var/lib/dkimctl", "/var/spool/postfix/opendkim"):
        _remove(Path(place))
    Path(HAND).parent.mkdir(parents=True)
    made = generate(Algorithm.RSA)
    Path(f"{HAND}.private").write_bytes(made.private_pem)
    record = (
        f'mail._domainkey IN TXT ( "v=DKIM1; k=rsa; " "p={made.public.base64[:200]}" "{made.public.base64[200:]}" )'
    )
    Path(f"{HAND}.txt").write_text(f"{record} ; ----- DKIM key mail for domain.tld\n")
    for name in ("private", "txt"):
        Path(f"{HAND}.{name}").chmod(0o600)
        shutil.chown(f"{HAND}.{name}", "opendkim", "opendkim")
    Path("/etc/opendkim.conf").write_text(ARTICLE_CONF)
    Path("/etc/opendkim/KeyTable").write_text(ARTICLE_KEY_TABLE)
    Path("/etc/opendkim/SigningTable").write_text(ARTICLE_SIGNING_TABLE)
    Path("/etc/opendkim/TrustedHosts").write_text(ARTICLE_TRUSTED_HOSTS)
    milter = "inet:localhost:8891"
    subprocess.run(["postconf", "-e", f"smtpd_milters={milter}", f"non_smtpd_milters={milter}"], check=True)
    os.utime("/etc/postfix/main.cf", (0, 0))


def prepare_fleet(stack: contextlib.ExitStack) -> None:
    """A control host, and the same as a relay: its keys come from the fleet."""
    from dkimctl.config.settings import Fleet, Settings
    from dkimctl.fleet.access import control as as_operator
    from dkimctl.fleet.membership import approve

    _SERVER.append(stack.enter_context(running_server()))
    server, configured = _SERVER[0], Path("/etc/dkimctl/dkimctl.toml")
    server.run("CREATE DATABASE fleet")
    control_host, relay = (f'[fleet]\ndatabase = "{server.url("fleet", role)}"\n' for role in ("owner", "relay"))
    configured.write_text(control_host + CONFIGURATION)
    _keep("fleet, empty")
    for command in ("fleet init", "fleet import"):
        assert run(command) == (0, False), Path("/tmp/said").read_text()
    server.run("CREATE ROLE relay LOGIN IN ROLE dkimctl_relay")
    configured.write_text(relay)
    _keep("joins")
    assert run("fleet join") == (0, False), Path("/tmp/said").read_text()
    configured.write_text(control_host + CONFIGURATION)
    with as_operator(Settings(fleet=Fleet(database=server.url("fleet")))) as (database, vault):
        approve(database, vault, "mx1", str(database.value("SELECT fingerprint FROM dkimctl.relay")))
    _keep("fleet")
    configured.write_text(relay)
    for place in ("/etc/opendkim/keys", "/etc/dkimctl/fleet.age"):
        _remove(Path(place))
    _keep("relay")
    assert run("fleet sync") == (3, False), Path("/tmp/said").read_text()  # no daemon runs that could be told
    _keep("synced")


def _keep(state: str) -> None:
    """Remember what the host is like now under this name."""
    if _SERVER:
        _SERVER[0].run(f'CREATE DATABASE "kept: {state}" TEMPLATE fleet')
    template = Path("/template", state)
    template.mkdir(parents=True)
    for place in KEPT:
        if os.path.lexists(place):
            subprocess.run(["cp", "-a", "--parents", place, template], check=True)


def reset(state: str) -> None:
    """Everything as it was when this state was kept."""
    if _SERVER and state in FLEET_STATES:
        _SERVER[0].run("DROP DATABASE fleet WITH (FORCE)")
        _SERVER[0].run(f'CREATE DATABASE fleet TEMPLATE "kept: {state}"')
    for place in KEPT:
        _remove(Path(place))
    subprocess.run(["cp", "-a", f"/template/{state}/.", "/"], check=True)


def state_for(name: str) -> str:
    """The state of the host that a command is run on."""
    return STATES.get(name, "dkimctl")


def start_sandbox() -> dict[str, str]:
    """An OVH account in a process of its own, whose owner allows each key that is asked for; its environment."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        from dkimctl.sandbox import Sandbox

        def allow(call: LoggedCall) -> None:
            if call.path.endswith("/auth/credential"):
                running.credentials.validate(newest_key(running))

        with Sandbox(["domain.tld"], on_call=allow) as running:
            os.write(writing, json.dumps(running.environment()).encode())
            os.close(writing)
            while True:
                signal.pause()
    os.close(writing)
    with os.fdopen(reading) as stream:
        return dict(json.load(stream))


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def snapshot(place: Path = VICTIM) -> str:
    """All that can be said of another user's files, but for when they were read."""
    digest = sha256()
    for path in sorted([place, *place.rglob("*")]):
        status = path.lstat()
        digest.update(f"{path} {status.st_mode} {status.st_uid} {status.st_gid} {status.st_size}".encode())
        digest.update(path.read_bytes() if path.is_file() and not path.is_symlink() else b"")
    return digest.hexdigest()


@cache
def usual(name: str) -> float:
    """The seconds that a command takes when nobody attacks, on a machine that may be busy."""
    reset(state_for(name))
    begun = time.monotonic()
    run(name, 120)
    return time.monotonic() - begun


def run(name: str, limit: float = LIMIT) -> tuple[int, bool]:
    """The exit code of a command, and whether it took too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        code = 99
        with contextlib.suppress(BaseException):
            sink = os.open("/tmp/said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(sink, 1), os.dup2(sink, 2), os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.stdout, sys.stderr = io.TextIOWrapper(os.fdopen(1, "wb")), io.TextIOWrapper(os.fdopen(2, "wb"))
            from dkimctl.entry import main

            if name == "login":
                del os.environ["OVH_CONSUMER_KEY"]
            sys.argv = ["dkimctl", *COMMANDS[name]]
            code = main()
            sys.stdout.flush()
        os._exit(code)
    begun = time.monotonic()
    while (lasted := time.monotonic() - begun) < limit:
        if lasted > LASTS.get(name, limit):
            os.kill(child, signal.SIGTERM)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), False
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -9, True


# --- the attacks


def _give(path: Path) -> None:
    os.chown(path, ATTACKER, ATTACKER, follow_symlinks=False)


def _link(path: Path, row: Row) -> None:
    path.symlink_to(VICTIM / ("directory" if row.is_directory else "file"))
    _give(path)


def _parent(path: Path, row: Row) -> None:
    _remove(path.parent)
    path.parent.symlink_to(VICTIM / "directory")
    _give(path.parent)


def _hard(path: Path, row: Row) -> None:
    os.link(VICTIM / "file", path)


def _pipe(path: Path, row: Row) -> None:
    os.mkfifo(path)
    _give(path)


def _other_kind(path: Path, row: Row) -> None:
    path.touch() if row.is_directory else path.mkdir()
    _give(path)


def _sparse(path: Path, row: Row) -> None:
    path.touch()
    os.truncate(path, 4 << 40)
    _give(path)


PLANTS: dict[str, Callable[[Path, Row], None]] = {
    "link": _link,
    "link at a parent": _parent,
    "hard link": _hard,
    "pipe": _pipe,
    "another kind": _other_kind,
    "4 TB": _sparse,
}
ATTACKS = (*PLANTS, "another owner", "swapped")


def cases() -> list[tuple[Row, str, str]]:
    """Path, attack and command of every case."""
    return [
        (row, attack, command)
        for row in TABLE
        for attack in ATTACKS
        if not (row.is_directory and attack in ("hard link", "4 TB"))
        and (attack != "link at a parent" or any(row.path.startswith(f"{place}/") for place in KEPT if place != "/srv"))
        and (attack, row.path) not in NOT_OURS
        for command in row.commands
    ]


NOT_OURS = {("link at a parent", "/var/lib/rspamd/dkimctl")}
"""Only root can put a link where /var/lib/rspamd is, and rspamadm itself has a cache there whatever it is told."""


@contextlib.contextmanager
def attacked(row: Row, attack: str) -> Iterator[None]:
    """The attack, for as long as it lasts."""
    path = Path(row.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if attack == "another owner":
        if not path.exists():
            path.mkdir() if row.is_directory else path.touch()
        _give(path)
        yield
    elif attack == "swapped":
        with _swapping(path, row):
            yield
    else:
        if attack != "link at a parent":
            _remove(path)
        PLANTS[attack](path, row)
        yield


@contextlib.contextmanager
def _swapping(path: Path, row: Row) -> Iterator[None]:
    """The name is now what it was, now a link to another user's file, many times a millisecond."""
    evil = path.with_name(f".{path.name}.evil")
    _remove(evil)
    _link(evil, row)
    if not path.exists():
        path.mkdir() if row.is_directory else path.touch()
    child = os.fork()
    if child == 0:
        exchange = ctypes.CDLL(None).renameat2
        names = [ctypes.c_char_p(os.fsencode(name)) for name in (path, evil)]
        while True:
            exchange(-100, names[0], -100, names[1], 2)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def matrix(first: int, step: int) -> None:
    """Run the cases and print what each did."""
    import dkimctl.cli.main  # noqa: F401  once for all children

    before = snapshot()
    for row, attack, command in cases()[first::step]:
        # a file that changes while it is read has the work begun again, a few times
        limit = LIMIT + usual(command) * (5 if attack == "swapped" else 1)
        reset(state_for(command))
        with attacked(row, attack):
            code, hangs = run(command, limit)
        after = snapshot()
        said = (
            Path("/tmp/said").read_text(errors="replace")[-300:] if code in (70, 99) or hangs or after != before else ""
        )
        print(
            json.dumps(
                [row.path, attack, command, code, "hangs" if hangs else "", "touched" if after != before else "", said]
            ),
            flush=True,
        )
        if after != before:
            _remove(VICTIM)
            subprocess.run(["cp", "-a", "/victim.kept", "/victim"], check=True)


def control() -> None:
    """A careless program: its effect must be seen."""
    before = snapshot()
    path = Path("/srv/careless")
    path.symlink_to(VICTIM / "directory")
    os.chown(path, ATTACKER, ATTACKER)
    assert snapshot() != before
    os.chown(path, 0, 0)
    path.unlink()
    assert snapshot() == before


def trace(output: str) -> None:
    """Every command once, with all its system calls about files."""
    subprocess.run(["opendkim", "-x", "/etc/opendkim.conf"], check=False)
    with open(output, "w") as stream:
        for name, arguments in COMMANDS.items():
            if name in STATES:
                reset(state_for(name))
            calls = ["strace", "-f", "-y", "-qq", "-s", "400", "-o", "/tmp/strace"]
            calls += ["-e", "trace=%file,%process,fchown,fchmod,fchownat,mkdirat,renameat2"]
            environment = {n: v for n, v in os.environ.items() if (n, name) != ("OVH_CONSUMER_KEY", "login")}
            program = [*calls, sys.executable, "-m", "dkimctl", *arguments]
            ended = subprocess.Popen(
                program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
            )
            if name in LASTS:
                time.sleep(5 * LASTS[name])
                traced = Path(f"/proc/{ended.pid}/task/{ended.pid}/children").read_text().split()[0]
                os.kill(int(traced), signal.SIGTERM)
            said = ended.communicate()[1]
            stream.write(f"## {name} {ended.returncode} {said[-300:]!r}\n{Path('/tmp/strace').read_text()}")


def main() -> None:
    """The one of the two that was asked for."""
    os.umask(0o022)
    os.environ.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", TMPDIR="/tmp")
    os.environ.update(start_sandbox())
    with contextlib.ExitStack() as stack:
        prepare(stack)
        subprocess.run(["cp", "-a", "/victim", "/victim.kept"], check=True)
        control()
        if sys.argv[1] == "trace":
            trace(sys.argv[2])
        else:
            matrix(int(sys.argv[2]), int(sys.argv[3]))
    assert stat.S_ISDIR(VICTIM.stat().st_mode)


if __name__ == "__main__":
    main()
