"""A fleet with a clock that is moved: three relays with real daemons, workers, PostgreSQL, an OVH account, and mail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

import dkim
import dns.resolver

from dkimctl.errors import Unavailable
from dkimctl.fleet.membership import approve
from dkimctl.milter.client import offer
from dkimctl.milter.message import Message, probe_message
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.sandbox import LoggedCall, Sandbox
from tests.conftest import REPOSITORY
from tests.fleet_keys import fleet_key
from tests.postgres_server import Server
from tests.real.history import History, Signed
from tests.real.machine import START, Machine
from tests.real.months import libfaketime
from tests.relay_fleet import RelayFleet

DOMAINS = ("a.example", "b.example")
HOSTS = {"mx1": 0, "mx2": 150, "mx3": -150, "control1": 150, "control2": -150, "database": 0}
"""Each host, and by how many seconds its clock is ahead: at most five minutes between two."""
RELAYS = ("mx1", "mx2", "mx3")
WORKERS = ("control1", "control2")
_FOLLOW = """setsid "$@" >>/var/lib/dkimctl/watch.log 2>&1 & echo $!"""
_KILL_SIGNER = """
parent=$(cat /run/opendkim/opendkim.pid)
kill -9 $parent $(cat /proc/$parent/task/$parent/children)
rm -f /run/opendkim/opendkim.pid
"""
_WITNESS = """
CREATE TABLE dkimctl.witness (number serial, domain text, selector text, missing text[]);
CREATE FUNCTION dkimctl.note_switch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO dkimctl.witness (domain, selector, missing)
    SELECT NEW.domain, NEW.selector, coalesce(array_agg(name), '{}') FROM dkimctl.relay
    WHERE state = 'approved' AND drained IS NULL AND heartbeat > clock_timestamp() - interval '600 s'
      AND NOT EXISTS (SELECT FROM dkimctl.key_on_relay WHERE relay = name AND key = NEW.id AND held);
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON dkimctl.key FOR EACH ROW
WHEN (NEW.phase = 'active' AND OLD.phase <> 'active') EXECUTE FUNCTION dkimctl.note_switch();
"""


class MovedClock:
    """The clock of all hosts; it goes on by itself, and is moved. Each host reads it from a file of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._moved = 0.0
        self.move(0)

    def now(self) -> float:
        """The right time, in seconds since 1970."""
        return time.time() + self._moved

    def move(self, hours: float) -> None:
        """Move on, on every host."""
        self._moved += hours * 3600
        for host, ahead in HOSTS.items():
            staged = self._directory / f"{host}.new"
            staged.write_text(f"{self._moved + ahead:+.0f}s\n")
            staged.rename(self._directory / f"{host}.now")

    def environment(self, host: str) -> dict[str, str]:
        """What a process of this host is started with."""
        return {
            "LD_PRELOAD": libfaketime(),
            "FAKETIME_TIMESTAMP_FILE": str(self._directory / f"{host}.now"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


class MovedServer(Server):
    """PostgreSQL with that clock."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self._faked = [f"{name}={value}" for name, value in environment.items()]
        super().__init__(directory)

    def _as_user(self, *options: str) -> list[str]:
        return [*super()._as_user(*options), "env", *self._faked]  # who owns a semaphore of libfaketime's is its user


class Control:
    """A control host: runs the program, one command at a time, each in a process that may be killed or paused."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.real.forking"],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], "LOG": f"{root}.log", "DKIMCTL_ROOT": str(root), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running: int | None = None
        self.log = Path(f"{root}.log")

    def start(self, *arguments: str) -> None:
        """Begin a command."""
        assert self._process.stdin and self._process.stdout
        print(json.dumps(arguments), file=self._process.stdin, flush=True)
        self.running = int(self._process.stdout.readline())

    def wait(self) -> int:
        """Wait for its end; its exit code, negative after a signal."""
        assert self._process.stdout
        status = int(self._process.stdout.readline())
        self.running = None
        return os.waitstatus_to_exitcode(status)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command."""
        if self.running:
            with suppress(ProcessLookupError):  # it has ended, and nobody has asked for its code yet
                os.kill(self.running, number)

    def end(self) -> None:
        """End the host."""
        self.signal(signal.SIGKILL)
        self._process.communicate()


class RelayHost:
    """A relay: a daemon that signs, and a process that follows the fleet."""

    def __init__(self, name: str, machine: Machine, clock: MovedClock) -> None:
        self.name, self.machine, self._clock = name, machine, clock
        self._socket = parse_socket(f"local:{machine.directory}/spool/opendkim/opendkim.sock")
        self._follower = ""
        self.is_paused = False
        self.is_signing = False

    def follow(self) -> None:
        """Start `fleet sync --watch`."""
        faked = [f"{name}={value}" for name, value in self._clock.environment(self.name).items()]
        command = ("env", *faked, sys.executable, "-c", START, "", "fleet", "sync", "--watch")
        self._follower = self.machine.run("sh", "-c", _FOLLOW, "sh", *command).stdout.strip()

    @property
    def is_following(self) -> bool:
        """True unless that process was killed or is paused."""
        return bool(self._follower) and not self.is_paused

    def signal(self, name: str) -> None:
        """Kill, pause or continue that process."""
        self.machine.run("kill", f"-{name}", self._follower, check=False)
        self.is_paused = name == "STOP"
        if name == "KILL":
            self._follower = ""

    def start_signer(self) -> None:
        """Start the daemon."""
        self.machine.start_opendkim()
        self.is_signing = True

    def kill_signer(self) -> None:
        """Kill it."""
        self.is_signing = False
        self.machine.run("sh", "-c", _KILL_SIGNER)

    def sign(self, domain: str) -> Message | str:
        """Have a message signed; the message, or what went wrong. A daemon that was killed meanwhile is excused."""
        message = probe_message(domain, datetime.now(UTC))
        try:
            reply = offer(self._socket, message, job="HISTORY")
        except Unavailable as error:
            return error.message
        return message.with_header("DKIM-Signature", reply.signature) if reply.signature else f"{reply.verdict}"


class World:
    """Use as a context manager. Mail flows all the time; the clock is moved by `go`."""

    def __init__(self, directory: Path, mutant: str = "") -> None:
        self.history = History()
        self._directory, self._mutant = directory, mutant
        self._stack = ExitStack()
        self._lock, self._end = Lock(), Event()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    # --- built

    def _build(self, stack: ExitStack) -> None:
        self.clock = MovedClock(self._directory)
        self.server = self._postgres(stack)
        self.fleet = RelayFleet(self._directory, self.server, self.server.new_database())
        stack.callback(lambda: self.fleet.database.close())
        self.fleet.database.run(_WITNESS)
        self.sandbox = stack.enter_context(Sandbox(zones=DOMAINS, on_call=self._served))
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers, self._resolver.port = ["127.0.0.1"], self.sandbox.dns_address[1]
        keys = [fleet_key(domain, "first") for domain in DOMAINS]
        for key in keys:
            text = "".join(re.findall(r'"([^"]*)"', key.record.decode()))
            self.sandbox.zone(key.domain).add("DKIM", "first._domainkey", text)
        self._served(since=0)
        self.fleet.put(*keys)
        pool = stack.enter_context(ThreadPoolExecutor(2 * len(RELAYS)))
        self.relays = list(pool.map(lambda name: self._relay(name, stack), RELAYS))
        list(pool.map(self._start_relay, self.relays))
        self.controls = [self._control(name, stack) for name in WORKERS]
        for relay in self.relays:
            mailing = pool.submit(self._mail, relay)
            stack.callback(mailing.result)
        stack.callback(self._end.set)

    def _postgres(self, stack: ExitStack) -> Server:
        data = self._directory / "postgres"
        data.mkdir()
        server = MovedServer(data, self.clock.environment("database"))
        server.start()
        stack.callback(server.stop)
        return server

    def _relay(self, name: str, stack: ExitStack) -> RelayHost:
        directory = self._directory / name
        directory.mkdir()
        machine = Machine(directory)
        machine.__enter__()
        with self._lock:
            stack.push(machine)
            role = self.fleet.role()
        (directory / "etc/dkimctl").mkdir()
        (directory / "etc/dkimctl/dkimctl.toml").write_text(f'[fleet]\ndatabase = "{role}"\n')
        machine.run("mkdir", "-p", "-m", "1777", "/dev/shm")  # libfaketime shares its start between processes
        joined = json.loads(machine.dkimctl("fleet", "join", name, "--json").stdout)
        with self._lock:
            approve(self.fleet.database, self.fleet.vault, name, joined["membership"]["fingerprint"])
        return RelayHost(name, machine, self.clock)

    def _start_relay(self, relay: RelayHost) -> None:
        relay.machine.dkimctl("fleet", "sync", check=False)
        relay.start_signer()
        relay.follow()

    def _control(self, name: str, stack: ExitStack) -> Control:
        root = self._directory / name
        etc = root / "etc/dkimctl"
        etc.mkdir(parents=True)
        role = name
        self.server.run(f"CREATE ROLE {role} LOGIN IN ROLE dkimctl_control")
        url = self.server.url(self.fleet.name, role)
        text = f'provider = "ovh"\n[lifecycle]\nrotate_after = "20d"\n[fleet]\ndatabase = "{url}"\n'
        (etc / "dkimctl.toml").write_text(text)
        (etc / "fleet.age").touch(mode=0o600)
        (etc / "fleet.age").write_text(self.fleet.identity.secret)
        faked = self.clock.environment(name)
        control = Control(root, {**self.sandbox.environment(), **faked, "MUTANT": self._mutant})
        stack.callback(control.end)
        return control

    # --- mail and DNS

    def _served(self, _: LoggedCall | None = None, *, since: float | None = None) -> None:
        texts: dict[str, list[str]] = {}
        for zone in DOMAINS:
            for record in self.sandbox.zone(zone).snapshot().records:
                if record.field_type in ("DKIM", "TXT"):
                    texts.setdefault(f"{record.sub_domain}.{zone}", []).append(record.target)
        at = self.clock.now() if since is None else since
        self.history.note_served(at, {name: tuple(sorted(found)) for name, found in texts.items()})

    def _mail(self, relay: RelayHost) -> None:
        while not self._end.wait(0.2):
            for domain in DOMAINS:
                self.mail(relay, domain)

    def mail(self, relay: RelayHost, domain: str) -> None:
        """Have a relay sign a message, and verify it. While its daemon is down nobody takes mail."""
        at, was_signing = self.clock.now(), relay.is_signing
        signed = relay.sign(domain)
        if not (was_signing and relay.is_signing):
            return
        if isinstance(signed, str):
            self.history.problems.append(f"{relay.name} did not sign for {domain} at {at}: {signed}")
            return
        found = re.search(r"\bs=([^;\s]+)", signed.headers[0][1])
        assert found
        if not dkim.verify(signed.raw, dnsfunc=self._text):
            self.history.problems.append(f"{relay.name} signed for {domain} with {found[1]}, and it does not verify")
        self.history.mails.append(Signed(at, relay.name, domain, found[1]))

    def _text(self, name: bytes, timeout: float = 5) -> bytes | None:
        try:
            answer = self._resolver.resolve(name.decode(), "TXT", search=False, lifetime=30)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(answer[0].strings)

    # --- time

    def go(self, hours: float) -> None:
        """Move the clock, and let every relay that follows the fleet be heard from, as it is every minute."""
        self.clock.move(hours)
        begin = datetime.fromtimestamp(self.clock.now(), UTC)
        self.ask("NOTIFY dkimctl")
        wanted = sorted(relay.name for relay in self.relays if relay.is_following)
        beaten = "SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM dkimctl.relay WHERE heartbeat >= %s"
        assert wait_until(lambda: {*wanted} <= {*self.ask(beaten, begin)}), self.trouble()
        for relay in self.relays:
            for domain in DOMAINS:
                self.mail(relay, domain)

    def ask(self, statement: str, *parameters: object) -> Any:
        """Ask the database; again in a new session where that one was cut."""
        while True:
            try:
                if statement.startswith("SELECT"):
                    return self.fleet.database.value(statement, parameters or None)
                return self.fleet.database.run(statement, parameters or None)
            except Unavailable:
                self.fleet.reconnect()

    def is_level(self) -> bool:
        """True once every relay has everything, and none reports a problem."""
        unlevel = "SELECT count(*) FROM dkimctl.relays WHERE generations_missing > 0 OR problem <> ''"
        return wait_until(lambda: self.ask(unlevel) == 0)

    def end(self) -> History:
        """After the last round: what the database's witness has seen is in the history as well."""
        seen = self.fleet.database.rows("SELECT domain, selector, missing FROM dkimctl.witness ORDER BY number")
        self.history.switches = [(domain, selector, tuple(missing)) for domain, selector, missing in seen]
        return self.history

    def trouble(self) -> str:
        """What the relays and workers said last."""
        said = [f"{relay.name}: {relay.machine.read('/var/lib/dkimctl/watch.log')[-800:]}" for relay in self.relays]
        said += [control.log.read_text()[-800:] for control in self.controls if control.log.exists()]
        return "\n".join(said)


def wait_until(happened: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait until something is so; return whether it is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.05)
    return False
