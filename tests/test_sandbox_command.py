"""`dkimctl sandbox` as a user runs it: in the foreground, until a signal ends it."""

import json
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import dns.message
import dns.query
import ovh
import ovh.client
import pytest

from dkimctl.sandbox import Sandbox
from tests.conftest import Dkimctl, DkimctlInside, Scratch
from tests.processes import started


def running(scratch: Scratch, *arguments: str | Path) -> AbstractContextManager["subprocess.Popen[str]"]:
    """Start the command as a process of its own; the caller ends it."""
    command = [sys.executable, "-m", "dkimctl", "sandbox", *map(str, arguments)]
    return started(command, env=scratch.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def printed_environment(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return the printed environment as a shell would set it."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("export NO_PROXY="):  # the last one
        lines.append(process.stdout.readline())
        assert lines[-1].startswith("export "), lines
    return dict(line.removeprefix("export ").rstrip("\n").split("=", 1) for line in lines)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_runs_until_a_signal(scratch: Scratch, sign: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library and a resolver work with the printed environment; Ctrl-C ends it with exit code 0."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(scratch, "--zone", "example.com", "--zone", "Bücher.example") as process:
        variables = printed_environment(process)
        endpoint = ovh.client.ENDPOINTS[variables["OVH_ENDPOINT"]] = variables["OVH_ENDPOINT"]
        secrets = {
            name: variables[f"OVH_{name.upper()}"] for name in ("application_key", "application_secret", "consumer_key")
        }
        client = ovh.Client(endpoint=endpoint, timeout=5, **secrets)
        assert client.get("/domain/zone") == ["example.com", "xn--bcher-kva.example"]
        client._session.close()
        host, _, port = variables["DKIMCTL_NAMESERVERS"].partition(":")
        answer = dns.query.udp(dns.message.make_query("example.com", "SOA"), host, timeout=10, port=int(port))
        assert answer.answer
        process.send_signal(sign)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "serving example.com, xn--bcher-kva.example; Ctrl-C stops it" in err
    assert "Traceback" not in err


def test_switches_faults_and_log(scratch: Scratch) -> None:
    """Switches and faults reach the sandbox; the log has one object a line, and no secret."""
    log = scratch.home / "calls.jsonl"
    options = ["--switch", "error-format=legacy", "--fault", "null-error@2", "--log", log]
    with running(scratch, *options) as process:
        variables = printed_environment(process)
        statuses = [_status(variables["OVH_ENDPOINT"], "/nonsense") for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert [status for status, _ in statuses] == [404, 500, 404]
    assert (statuses[0][1]["errorCode"], statuses[1][1]) == ("INVALID_URL", None)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert calls[1] == {"method": "GET", "path": "/nonsense", "body": "", "status": 500}
    assert len(calls) == 3
    assert not any(value in log.read_text() for name, value in variables.items() if name.startswith("OVH_APP"))


def _status(endpoint: str, path: str) -> tuple[int, object]:
    import requests

    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(endpoint + path, timeout=5)
        return answer.status_code, answer.json()


def test_json(scratch: Scratch) -> None:
    """With --json the environment is one document."""
    with running(scratch, "--json") as process:
        assert process.stderr is not None
        assert "serving domain.tld" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert document["schema"] == 1
    assert document["sandbox"]["zones"] == ["domain.tld"]
    assert document["sandbox"]["environment"]["OVH_ENDPOINT"].startswith("http://127.0.0.1:")


def test_help_lists_every_switch(dkimctl_inside: Dkimctl) -> None:
    """The help names the switches and the kinds of faults, and fits 80 columns."""
    shown = dkimctl_inside("sandbox", "--help")
    assert shown.code == 0
    for word in ("truncate-txt", "void=null|204|empty", "refresh-delay=SECONDS", "reset-after", "Example:"):
        assert word in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--switch", "truncat-txt"], 2, ["no such switch: truncat-txt", "did you mean truncate-txt?"]),
        (["--switch", "void=5"], 2, ["not a value of the switch void: 5", "write void=null|204|empty"]),
        (["--fault", "409@"], 2, ["the call of this fault is unclear", "409@3"]),
        (["--fault", "408@1"], 2, ["no such fault: 408", "408-html"]),
        (["--zone", "a b"], 2, ["not a domain name"]),
        (["--api-port", "70000"], 2, ["--api-port"]),
        (["--log", "/nonexistent/log"], 3, ["cannot write /nonexistent/log"]),
        (["extra"], 2, ["extra"]),
    ],
)
def test_wrong_arguments(dkimctl_inside: Dkimctl, arguments: list[str], code: int, words: list[str]) -> None:
    """Each mistake is one line with a hint, and nothing is started."""
    ended = dkimctl_inside("sandbox", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert "dkimctl: hint: " in ended.err
    for word in words:
        assert word in ended.err


def test_port_in_use(dkimctl_inside: Dkimctl) -> None:
    """A port in use is reported with its option, and exit code 3."""
    with Sandbox(["a.tld"]) as sandbox:
        ended = dkimctl_inside("sandbox", "--dns-port", str(sandbox.dns_address[1]))
    assert ended.code == 3
    assert "address already in use" in ended.err
    assert "--dns-port" in ended.err


def test_a_service_account_without_some_actions(dkimctl_inside: DkimctlInside, scratch: Scratch) -> None:
    """OAuth2 instead of the three keys; publish names the action that the policy refuses."""
    dkimctl_inside("genkey", "domain.tld", "-s", "mail", "-q")
    with running(scratch, "--without", "record/create") as process:
        variables = printed_environment(process)
        assert {"OVH_CLIENT_ID", "OVH_CLIENT_SECRET"} < set(variables)
        assert "OVH_CONSUMER_KEY" not in variables
        run = dkimctl_inside("publish", "--provider", "ovh", "--no-wait", env=variables)
        assert run.code == 3
        assert "policies do not allow dnsZone:apiovh:record/create on domain.tld" in run.err
    run = dkimctl_inside("sandbox", "--without", "record/make")
    assert (run.code, "record/create" in run.err) == (2, True)
