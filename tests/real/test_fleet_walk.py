"""The walk of dkimctl-fleet(7), typed line by line: a control host with PostgreSQL, two relays with a real opendkim."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dkimctl.manual.fleet import CONNECTION, CONTROL_FILE, RELAY_FILE, WALK
from dkimctl.sandbox import Sandbox
from tests.conftest import needs
from tests.postgres_server import OWNER, Missing, Server, programs, running
from tests.real.machine import START, Machine
from tests.real.test_setup import SYSTEMCTL

pytestmark = needs("opendkim", "postfix", "postconf", root=True, namespaces=True)

HOSTS = ("control", "mx1", "mx2")
_FOLLOW = """setsid "$@" >/dev/null 2>&1 &"""
_AN_HOUR_LATER = """
UPDATE dkimctl.key SET metadata = jsonb_set(metadata, '{facts,record}', (
    SELECT jsonb_object_agg(name, CASE WHEN jsonb_typeof(value) <> 'string' THEN value ELSE to_jsonb(to_char(
        (value #>> '{}')::timestamptz AT TIME ZONE 'UTC' - interval '3 h', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) END)
    FROM jsonb_each(metadata #> '{facts,record}') AS fact (name, value)))
WHERE phase = 'verified' AND metadata #> '{facts,record}' IS NOT NULL"""


class Hosts:
    """Three hosts and a person who types at each."""

    def __init__(self, server: Server, machines: dict[str, Machine]) -> None:
        self.server, self.machines = server, machines
        self._words = ""

    def type(self, line: str) -> str:
        """Type a line after its prompt; it must succeed. Returns what it printed."""
        prompt, _, command = line.partition(" ")
        name, words = prompt[:-1], command.replace("WORDS", self._words).split()
        if name == "postgres":
            return self._as_postgres(words)
        assert words.pop(0) == "dkimctl", line
        said = self.machines[name].dkimctl(*words).stdout
        self._words = (re.findall(r"^fingerprint: (\S+)$", said, re.MULTILINE) or [self._words])[0]
        if words == ["init"] and name != "control":
            self._follow(self.machines[name])
        return said

    def _as_postgres(self, words: list[str]) -> str:
        socket = {"PGHOST": f"{self.server.directory}/socket", "PGPORT": str(self.server.port), "PGUSER": OWNER}
        command = [str(programs() / words[0]), *words[1:]]
        return subprocess.run(command, env={**os.environ, **socket}, check=True, capture_output=True, text=True).stdout

    def _follow(self, machine: Machine) -> None:
        """Do what the timer does that `init` has enabled."""
        machine.run(
            "sh", "-c", _FOLLOW, "sh", sys.executable, "-c", START, machine.programs, "fleet", "sync", "--watch"
        )


@pytest.fixture
def hosts(short_path: Path) -> Iterator[Hosts]:
    """Hosts with the files that the page shows, whose account is the sandbox; an opendkim on each relay."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running())
        except Missing as missing:
            pytest.skip(str(missing))
        sandbox = stack.enter_context(Sandbox(zones=["example.com", "old.example"]))
        machines = {}
        for name in HOSTS:
            (short_path / name).mkdir()
            machine = machines[name] = stack.enter_context(Machine(short_path / name))
            machine.run("mkdir", "-p", "/etc/dkimctl", "/run/systemd/system", "/run/bin")
            machine.write("/run/bin/systemctl", SYSTEMCTL)
            machine.run("chmod", "755", "/run/bin/systemctl")
            machine.programs, socket = "/run/bin", f"host={server.directory}/socket&port={server.port}"
            machine.environment = sandbox.environment()
            if name == "control":
                machine.write("/etc/dkimctl/dkimctl.toml", CONTROL_FILE.replace("///dkimctl", f"///dkimctl?{socket}"))
                continue
            own = re.sub("mx1:PASSWORD@[^?]*.*", f"{name}@/dkimctl?{socket}", CONNECTION)
            machine.write("/etc/dkimctl/dkimctl.toml", RELAY_FILE)
            machine.run("install", "-m", "600", "/dev/null", "/etc/dkimctl/fleet.database")
            machine.write("/etc/dkimctl/fleet.database", own)
            machine.start_opendkim()
        control = machines["control"]
        control.run("mkdir", "-p", "/etc/old-keys")
        control.dkimctl("genkey", "old.example", "-D", "/etc/old-keys", "-s", "old", "--config", "/dev/null")
        yield Hosts(server, machines)


@pytest.mark.long
def test_the_walk_of_the_manual(hosts: Hosts) -> None:
    """Every line of it, typed in its order, succeeds, and does what the page says."""
    control = hosts.machines["control"]

    def keys() -> dict[str, str]:
        found = json.loads(control.dkimctl("status", "example.com", "--json").stdout)["status"]["keys"]
        return {key["selector"]: key["phase"] for key in found}

    for step in WALK:
        for line in step.lines:
            said = hosts.type(line.replace("/srv/old-keys", "/etc/old-keys"))
            if line.endswith("setup example.com"):
                assert "every relay signs with" in " ".join(said.split())
                [first] = keys()
            if line.endswith("rotate example.com"):
                while keys()[first] == "active":
                    an_hour_later(hosts, control)
                assert keys()[first] == "retiring"
            if line.endswith("drain mx2"):
                assert states(control)["mx2"] == "drained"
    assert states(control) == {"mx1": "approved", "mx2": "removed"}
    new = next(selector for selector, phase in keys().items() if phase == "active")
    private = f"example.com/{new}.private"
    assert control.read(f"/root/keys/{private}") == hosts.machines["mx1"].read(f"/etc/opendkim/keys/{private}")
    signed = json.loads(hosts.machines["mx1"].dkimctl("selftest", "example.com", "--json").stdout)
    assert {selector for one in signed["selftest"]["attempts"] for selector in one["selectors"]} == {new}


def an_hour_later(hosts: Hosts, control: Machine) -> None:
    """What the next key waits for has passed; `rotate` runs again."""
    hosts.server.run(_AN_HOUR_LATER, "dkimctl")
    control.dkimctl("rotate", "example.com")


def states(control: Machine) -> dict[str, str]:
    """The state of each relay."""
    found = json.loads(control.dkimctl("fleet", "status", "--json", check=False).stdout)["fleet"]["relays"]
    return {relay["name"]: relay["state"] for relay in found}
