"""`dkimctl setup` in a staging tree, against the sandbox: order, resuming, and what goes wrong on the way."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dkimctl.sandbox import Fault, Sandbox, Switches
from tests.conftest import Dkimctl, DkimctlInside, Run, Scratch
from tests.processes import started

ZONES = ("domain.tld", "other.tld")


class Relay:
    """dkimctl with an account at the sandbox: `relay("setup", …)`."""

    def __init__(self, dkimctl: Dkimctl, sandbox: Sandbox) -> None:
        self._dkimctl = dkimctl
        self.sandbox = sandbox
        self.root = dkimctl.root

    def __call__(self, *arguments: str, **more: Any) -> Run:
        return self._dkimctl(*arguments, env={**self.sandbox.environment(), **more.pop("env", {})}, **more)

    def setup(self, *arguments: str) -> Run:
        """`dkimctl setup … --provider ovh`."""
        return self("setup", *arguments, "--provider", "ovh")

    def table(self, name: str = "SigningTable") -> str:
        """An installed table; empty when there is none."""
        path = self.root / "etc/opendkim" / name
        return path.read_text() if path.exists() else ""

    def files(self) -> dict[str, tuple[bytes, int, int]]:
        """Every file below the root: content, mode and time of its last change."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            if path.is_file() and path.name != ".lock":
                status = path.stat()
                found[str(path)] = path.read_bytes(), status.st_mode, status.st_mtime_ns
        return found

    def phases(self, domain: str) -> list[str]:
        """The phase of each key of a domain."""
        import json

        return [json.loads(p.read_text())["phase"] for p in (self.root / f"etc/opendkim/keys/{domain}").glob("*.json")]


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """An account with two zones; parametrize indirectly with Switches."""
    with Sandbox(zones=ZONES, switches=getattr(request, "param", None)) as running:
        yield running


@pytest.fixture
def relay(dkimctl_inside: DkimctlInside, sandbox: Sandbox) -> Relay:
    """A staging tree for which no daemon runs."""
    return Relay(dkimctl_inside, sandbox)


def states(run: Run) -> dict[str, str]:
    """Step → state, from the JSON document; of a step told twice, the last one."""
    return {step["name"]: step["state"] for step in run.json["steps"]}


def test_everything_in_one_command(relay: Relay) -> None:
    """One command makes the key, publishes it, sees it in DNS and configures; it says that no daemon can be probed."""
    run = relay.setup("domain.tld")
    assert run.code == 0, run.err
    assert [line.split()[:2] for line in run.out.splitlines() if line[:1].strip()] == [
        ["done", "key"],
        ["done", "record"],
        ["done", "in"],
        ["done", "config"],
    ]
    assert "on the host itself the same command proves one" in run.err
    (record,) = [r for r in relay.sandbox.zone("domain.tld").served if r.sub_domain.endswith("_domainkey")]
    assert record.field_type == "DKIM"
    assert " domain.tld:dk" in relay.table("KeyTable")
    assert relay.phases("domain.tld") == ["verified"]


def test_a_second_run_changes_nothing(relay: Relay) -> None:
    """The same command again says "already" for each step, changes no file, and only reads from the API."""
    relay.setup("domain.tld")
    before = relay.files()
    relay.sandbox.clear_calls()
    run = relay.setup("domain.tld", "--json")
    assert (run.code, run.json["changed"]) == (0, False)
    assert states(run) == {
        "key": "already",
        "record": "already",
        "in DNS": "already",
        "config": "already",
        "opendkim": "warning",
    }
    assert relay.files() == before
    assert {call.method for call in relay.sandbox.calls} == {"GET"}


@pytest.mark.parametrize("sandbox", [Switches(refuse_dkim=True)], indirect=True)
@pytest.mark.parametrize("agreed", [False, True])
def test_what_the_provider_lacks_is_done_without_only_when_asked(relay: Relay, agreed: bool) -> None:
    """`--accept-limits`: a TXT where the type DKIM is not known; else refused, with a CNAME as the advice."""
    run = relay.setup("domain.tld", *(["--accept-limits"] if agreed else ["--timeout", "0"]))
    found = [r.field_type for r in relay.sandbox.zone("domain.tld").served if r.sub_domain.endswith("_domainkey")]
    assert (run.code, found) == ((0, ["TXT"]) if agreed else (3, []))
    if not agreed:
        assert "make the name a CNAME into a zone at another provider" in run.out + run.err


def test_it_goes_on_from_what_single_commands_did(relay: Relay) -> None:
    """A key made with genkey, under another selector, is taken; none is made beside it."""
    relay("genkey", "-s", "mail", "domain.tld")
    run = relay.setup("domain.tld", "--json")
    assert run.code == 0
    assert states(run)["key"] == "already"
    assert " domain.tld:mail:/" in relay.table("KeyTable")
    assert [p.name for p in (relay.root / "etc/opendkim/keys/domain.tld").glob("*.private")] == ["mail.private"]


@pytest.mark.parametrize("sandbox", [Switches(refresh_delay=3600)], indirect=True)
def test_no_key_signs_before_dns_serves_it(relay: Relay) -> None:
    """While DNS does not show the record, nothing is configured: exit 3; later the same command completes it."""
    waiting = relay.setup("domain.tld", "--timeout", "0")
    assert waiting.code == 3
    assert "failed   in DNS     domain.tld" in waiting.out
    assert "not served everywhere" in waiting.err
    assert "hint: run the same command again: it continues from here" in waiting.err
    assert relay.table() == ""
    assert relay.phases("domain.tld") == ["published"]
    relay.sandbox.zone("domain.tld").finish_refresh()
    complete = relay.setup("domain.tld", "--timeout", "0")
    assert complete.code == 0, complete.err
    assert " domain.tld:dk" in relay.table("KeyTable")


@pytest.mark.parametrize("sandbox", [Switches(refresh_delay=3600)], indirect=True)
def test_another_domain_does_not_draw_an_unproven_one_along(relay: Relay) -> None:
    """A domain that is still waited for does not begin to sign because another one was set up meanwhile."""
    relay.setup("domain.tld", "--timeout", "0")
    relay.setup("other.tld", "--timeout", "0")
    relay.sandbox.zone("other.tld").finish_refresh()
    assert relay.setup("other.tld", "--timeout", "0").code == 0
    assert "other.tld" in relay.table()
    assert "domain.tld" not in relay.table()


def test_a_domain_that_signs_already_goes_on(relay: Relay) -> None:
    """What render-config installed before, proven or not, is not taken out by the setup of another domain."""
    relay("genkey", "-s", "mail", "domain.tld")
    assert relay("render-config", "--install", "--allow-unproven").code == 0
    assert relay.setup("other.tld").code == 0
    assert " domain.tld:mail:/" in relay.table("KeyTable")
    assert " other.tld:dk" in relay.table("KeyTable")


def test_one_domain_that_fails_does_not_stop_the_others(relay: Relay) -> None:
    """A zone that is not in the account fails with its reason; the other domain is set up all the same."""
    run = relay.setup("absent.tld", "domain.tld")
    assert run.code == 3
    assert "no zone for absent.tld" in run.err
    assert " domain.tld:dk" in relay.table("KeyTable")
    assert "absent.tld" not in relay.table()


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (["domain.tld", "--provider", "nonsense"], {}, "unknown provider: nonsense"),
        (["domain.tld"], {}, "no provider is named for domain.tld"),
        (["domain.tld", "--provider", "ovh"], {"OVH_CONSUMER_KEY": ""}, "OVH credentials are missing"),
        (["domain.tld", "--provider", "ovh"], {"OVH_ENDPOINT": "http://192.0.2.1/"}, "not an endpoint"),
        (["domain", "--provider", "ovh"], {}, "not a domain name: domain"),
        (["domain.tld", "-s", "a;b", "--provider", "ovh"], {}, "not a selector: a;b"),
        (["--provider", "ovh"], {}, "missing argument"),
    ],
)
def test_wrong_usage_makes_nothing(relay: Relay, arguments: list[str], environment: dict[str, str], words: str) -> None:
    """What can be known beforehand is told before anything is made: exit 2, one error, a hint."""
    run = relay("setup", *arguments, env={"HOME": "/nonexistent", **environment})
    assert run.code == 2
    assert words in run.err
    assert "dkimctl: hint: " in run.err
    assert "Traceback" not in run.err
    assert relay.files() == {}
    assert relay.sandbox.calls == []


def test_credentials_that_others_can_read(relay: Relay, tmp_path: Path) -> None:
    """A credentials file with a mode that lets others read is refused before anything is made."""
    file = tmp_path / "key"
    file.write_text("secret-value")
    file.chmod(0o644)
    run = relay(
        "setup", "domain.tld", "--provider", "ovh", env={"OVH_CONSUMER_KEY": "", "OVH_CONSUMER_KEY_FILE": str(file)}
    )
    assert run.code == 2
    assert "can be read by other users" in run.err
    assert "secret-value" not in run.err + run.out
    assert relay.files() == {}


def test_the_key_that_signs_is_the_one_that_is_set_up(relay: Relay) -> None:
    """While the next key waits for its turn, setup checks and completes the one that signs, and publishes no other."""
    assert relay.setup("domain.tld", "-s", "mail").code == 0
    activate(relay, "domain.tld")
    assert relay("genkey", "domain.tld", "-s", "next").code == 0
    run = relay.setup("domain.tld", "--json")
    assert run.code == 0, run.err
    assert states(run)["key"] == states(run)["record"] == "already"
    assert "next._domainkey" not in run.out


def test_another_selector_than_the_one_that_signs(relay: Relay) -> None:
    """A change of keys is no setup: when another key is active, asking for a new selector is refused with exit 1."""
    relay.setup("domain.tld")
    activate(relay, "domain.tld")
    run = relay.setup("domain.tld", "-s", "new")
    assert run.code == 1
    assert "signs for domain.tld already" in run.err
    assert not list(relay.root.rglob("new.private"))
    assert relay.setup("domain.tld").code == 0


def activate(relay: Relay, domain: str) -> None:
    """Note that the domain's key signs, as a probe would."""
    from dkimctl.clock import SYSTEM_CLOCK
    from dkimctl.keys.directory import KeyDirectory
    from dkimctl.keys.metadata import Phase

    store = KeyDirectory(relay.root / "etc/opendkim/keys")
    (key,) = store.keys(domain)
    store.advance(key, Phase.ACTIVE, SYSTEM_CLOCK.now())


def test_by_hand(relay: Relay) -> None:
    """Provider manual shows the record and looks for it; once a person has added it the same command completes."""
    first = relay("setup", "domain.tld", "--provider", "manual", "--timeout", "0")
    assert first.code == 3
    assert "hint: add the record where the zone is kept, then run the same command again" in first.err
    (line,) = [line.strip() for line in first.out.splitlines() if " IN TXT " in line]
    assert relay.table() == ""
    owner, _, strings = line.partition(" IN TXT ")
    text = strings.replace('" "', "").strip('"')
    relay.sandbox.zone("domain.tld").add("DKIM", owner.removesuffix(".domain.tld."), text)
    second = relay("setup", "domain.tld", "--provider", "manual", "--timeout", "0")
    assert second.code == 0, second.err
    assert " domain.tld:dk" in relay.table("KeyTable")


@pytest.mark.parametrize("kind", ["502-html", "reset-before", "reset-after", "empty-200", "null"])
@pytest.mark.parametrize("number", [2, 4, 6])
def test_any_call_that_fails_leaves_something_to_go_on_from(relay: Relay, kind: str, number: int) -> None:
    """Whatever one API call does, the run ends well or with exit 3 and words; the next run completes the work."""
    from dkimctl.sandbox.options import parse_fault

    fault: Fault = parse_fault(f"{kind}@{number}")
    relay.sandbox.faults.add(fault)
    first = relay.setup("domain.tld")
    assert first.code in (0, 3)
    if first.code == 3:
        assert "dkimctl: hint: " in first.err
    second = relay.setup("domain.tld")
    assert second.code == 0, second.err
    names = [r.sub_domain for r in relay.sandbox.zone("domain.tld").served if r.sub_domain.endswith("_domainkey")]
    assert len(names) == 1


@pytest.mark.parametrize("sandbox", [Switches(truncate_dkim=True)], indirect=True)
def test_a_truncated_record_ends_it(relay: Relay) -> None:
    """A record that came back short is told with its lengths, is taken away again, and never signs."""
    run = relay.setup("domain.tld")
    assert run.code == 3
    assert "came back truncated: 255 of" in run.err
    assert not [r for r in relay.sandbox.zone("domain.tld").edited if r.sub_domain.endswith("_domainkey")]
    assert relay.table() == ""


@pytest.mark.parametrize("sandbox", [Switches(refresh_delay=3600)], indirect=True)
def test_ctrl_c_while_it_waits(sandbox: Sandbox, scratch: Scratch) -> None:
    """Ctrl-C ends it with 130 and says for each domain how far it came; the same command goes on from there."""
    command = [sys.executable, "-m", "dkimctl", "setup", *ZONES, "--provider", "ovh"]
    environment = scratch.environment(sandbox.environment())
    with started(command, env=environment, stdout=-1, stderr=-1) as running:
        assert running.stdout is not None and running.stderr is not None
        for _ in ZONES:
            while "waiting for the name servers" not in running.stderr.readline():
                pass
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert [line for line in out.splitlines() if line.startswith("failed   in DNS")] == [
        f"failed   in DNS     {zone}" for zone in ZONES
    ]
    assert "interrupted before every name server was seen to serve it" in err
    for zone in ZONES:
        sandbox.zone(zone).finish_refresh()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("step", ["done     key", "done     record", "done     in DNS", "done     config"])
def test_killed_between_two_steps(sandbox: Sandbox, scratch: Scratch, step: str) -> None:
    """`kill -9` after any step leaves something that the same command completes, with one key and one record."""
    command = [sys.executable, "-u", "-m", "dkimctl", "setup", "domain.tld", "--provider", "ovh"]
    environment = scratch.environment(sandbox.environment())
    with started(command, env=environment, stdout=-1, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        while not running.stdout.readline().startswith(step):
            pass
        running.kill()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert len(list(scratch.root.rglob("*.private"))) == 1
    assert len([r for r in sandbox.zone("domain.tld").served if r.sub_domain.endswith("_domainkey")]) == 1


def test_steps_for_programs(relay: Relay) -> None:
    """With --json stdout is one document with every step, its state, proof and exit code."""
    steps = relay.setup("domain.tld", "--json").json["steps"]
    told = [step["name"] for step in steps if step["state"] != "warning"]
    assert told == ["key", "record", "in DNS", "config"]
    assert [step["name"] for step in steps if step["state"] == "warning"][-1:] == ["opendkim"]  # none runs below --root
    assert {step["exit_code"] for step in steps} == {0}
    assert all(step["proof"] for step in steps)
