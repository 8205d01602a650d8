"""No secret in any output: commands at -vv, with every fault, and everything they leave behind is searched.

Searched are stdout, stderr, what the libraries log at DEBUG, and every file below HOME and TMPDIR, bug reports
included. Secrets are the application secret, consumer keys, a service account's secret and token, a TSIG key, and
each line of each private key.
"""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dkimctl.cli.app import App
from dkimctl.providers.ovh import calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.sandbox import Fault, Sandbox
from dkimctl.sandbox.faultkinds import FAULT_KINDS, FaultKind
from tests.conftest import DkimctlInside, Run
from tests.ovh_people import ZONE, Person, quick_sandbox

PUBLISH = ("publish", ZONE, "--provider", "ovh", "--no-wait")
COMMANDS: tuple[tuple[str, ...], ...] = (
    PUBLISH,
    ("setup", ZONE, "--provider", "ovh", "--timeout", "1"),
    ("ovh", "whoami", ZONE),
    ("ovh", "login", ZONE, "--replace", "--timeout", "1"),
)
TSIG = "c2VjcmV0LXRoYXQtbm9ib2R5LW1heS1zZWU="


@dataclass
class Watch:
    """Runs commands and searches everything that comes of them."""

    dkimctl: DkimctlInside
    sandbox: Sandbox
    log: pytest.LogCaptureFixture
    fixed: tuple[str, ...]
    """Secrets known from the start; consumer keys and tokens are added as the sandbox gives them."""

    def secrets(self) -> set[str]:
        """Every secret there is by now."""
        made = {*self.sandbox.credentials._credentials, *self.sandbox.accounts._tokens}
        lines = {
            line
            for path in self.dkimctl.root.rglob("*.private")
            for line in path.read_text().splitlines()
            if not line.startswith("-----")
        }
        return {*self.fixed, *made, *lines, self.sandbox.credentials.application_secret}

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> Run:
        """A command as given; afterwards no secret may be anywhere. An empty value in `env` unsets the variable."""
        variables = {**self.sandbox.environment(), **(env or {})}
        ended = self.dkimctl(*arguments, env={name: value for name, value in variables.items() if value})
        home = self.dkimctl.scratch.home
        places = {"stdout": ended.out, "stderr": ended.err, "the log": self.log.text}
        places |= {path.name: path.read_text(errors="replace") for path in home.rglob("*") if path.is_file()}
        for secret in self.secrets():
            for place, text in places.items():
                assert secret not in text, f"{' '.join(arguments)}: {secret[:4]}… in {place}"
        return ended


@pytest.fixture
def watch(
    dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Watch]:
    """A domain with a key, an account, and no waiting: sleep takes no time."""
    clock = Person()
    monkeypatch.setattr(App, "clock", clock)
    monkeypatch.setattr(calls, "MOST_WAITS", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(dkimctl_inside.scratch.home))
    caplog.set_level(logging.DEBUG)
    with quick_sandbox() as running:
        made = Watch(dkimctl_inside, running, caplog, (TSIG,))
        assert made.run("genkey", ZONE, "-s", "ed", "--algorithm", "ed25519", "-vv").code == 0
        yield made


def test_the_search_finds_what_is_there(watch: Watch) -> None:
    """The searching itself: a secret in a file below HOME is seen, and the secrets are the real ones."""
    assert watch.run("genkey", ZONE, "-s", "rsa").code == 0
    assert len(watch.secrets()) > 20  # the lines of an RSA key are many
    (watch.dkimctl.scratch.home / "leak").write_text(f"x{watch.sandbox.credentials.consumer_key}x")
    with pytest.raises(AssertionError, match="in leak"):
        watch.run("record", ZONE)


@pytest.mark.parametrize("form", ["-vv", "--json"])
def test_when_all_is_well(watch: Watch, form: str) -> None:
    """The commands that use secrets, without any fault; the stored key works."""
    assert watch.run("genkey", ZONE, "-s", "rsa", form).code == 0
    for command in COMMANDS[2:]:
        assert watch.run(*command, form).code == 0
    assert watch.run(*PUBLISH, form).code == 0
    assert (watch.dkimctl.root / "etc/dkimctl/ovh.conf").exists()
    dry_run = ("publish", ZONE, "--provider", "ovh", "--dry-run")
    for other in (("record", ZONE), dry_run, ("render-config",), ("status",), ("doctor", "--dns")):
        watch.run(*other, form)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that are late are given up at once."""
    monkeypatch.setattr(
        ApiClient.__init__,
        "__kwdefaults__",
        {**ApiClient.__init__.__kwdefaults__, "timeout": (0.2, 0.2), "deadline": 5},
    )


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_with_a_fault_that_stays(watch: Watch, kind: str) -> None:
    """Every call answers with it: each command ends with an error of ours, and says nothing it should not."""
    watch.sandbox.faults.add(Fault(kind, times=None, seconds=8))  # type: ignore[arg-type]
    for number, command in enumerate(COMMANDS):
        assert watch.run(*command, "-vv" if number % 2 else "--json").code in (0, 1, 3)


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("kind", FAULT_KINDS)
def test_with_a_fault_in_the_middle(watch: Watch, kind: str) -> None:
    """The same after the first calls went well, when a token, a time and a consumer key have been exchanged."""
    for command in (PUBLISH, *COMMANDS[2:]):
        watch.sandbox.clear_calls()
        watch.sandbox.faults.clear()
        for call in (3, 5):
            watch.sandbox.faults.add(Fault(kind, call=call, seconds=8))  # type: ignore[arg-type]
        assert watch.run(*command, "-vv").code in (0, 1, 3)


@pytest.mark.parametrize("form", ["-vv", "--json"])
def test_with_wrong_credentials(watch: Watch, form: str, tmp_path: Path) -> None:
    """Refused by the API, or before it: what was wrong is named, not shown."""
    own, secret = watch.sandbox.environment(), watch.sandbox.credentials.application_secret
    open_file, broken = tmp_path / "open", watch.dkimctl.root / "etc/dkimctl/ovh.conf"
    open_file.write_text(secret)
    open_file.chmod(0o644)
    for wrong in (
        {"OVH_CONSUMER_KEY": secret},
        {"OVH_APPLICATION_SECRET": own["OVH_CONSUMER_KEY"]},
        {"OVH_APPLICATION_KEY": secret},
        {"OVH_APPLICATION_SECRET": "", "OVH_APPLICATION_SECRET_FILE": str(open_file)},
        {"OVH_CLIENT_ID": "EU.1", "OVH_CLIENT_SECRET": secret},
    ):
        for command in (PUBLISH, COMMANDS[2]):
            assert watch.run(*command, form, env=wrong).code in (1, 2, 3)
        watch.run(*COMMANDS[3], form, env=wrong)
    broken.parent.mkdir(parents=True, exist_ok=True)
    for text in (f"[ovh-eu]\n{secret}\n", f"{secret}\n", f"[ovh-eu]\nx={secret}\nx={secret}\n"):
        broken.write_text(text)
        broken.chmod(0o600)
        nothing = dict.fromkeys(("OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"), "")
        for command in (PUBLISH, *COMMANDS[2:]):
            assert watch.run(*command, form, env=nothing).code == 2


@pytest.mark.parametrize("form", ["-vv", "--json"])
def test_service_accounts(watch: Watch, form: str) -> None:
    """Its secret and its token; taken, without the rights, and with a fault where the token is fetched."""
    account = watch.sandbox.accounts.create(["dnsZone:apiovh:get"])
    watch.fixed += (account.client_secret,)
    keys = dict.fromkeys(("OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"), "")
    env = {**keys, "OVH_CLIENT_ID": account.client_id, "OVH_CLIENT_SECRET": account.client_secret}
    kinds: tuple[FaultKind | None, ...] = (None, "500-json", "truncated-json", "reset-after", "null", "html-200")
    for fault in kinds:
        if fault:
            watch.sandbox.faults.add(Fault(fault, path="/auth/oauth2/token", times=None))
        for command in (PUBLISH, COMMANDS[2]):
            assert watch.run(*command, form, env=env).code in (1, 3)
        watch.sandbox.faults.clear()
    assert watch.sandbox.accounts._tokens


@pytest.mark.parametrize("form", ["-vv", "--json"])
def test_with_a_bug(watch: Watch, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug report is a file with a traceback, and what is in hand at that moment is not in it."""

    def wrong(door: ApiClient, *_: object, **__: object) -> None:
        credentials = door._credentials
        raise RuntimeError(f"{credentials!r} {door!r} {vars(door)!r}")

    monkeypatch.setattr(ApiClient, "value", wrong)
    for command in (PUBLISH, *COMMANDS[2:]):
        watch.run(*command, form)
    reports = list(watch.dkimctl.scratch.home.glob("dkimctl-bug-*"))
    assert len(reports) >= 2
    assert all("Traceback" in report.read_text() for report in reports)


@pytest.mark.parametrize("form", ["-vv", "--json"])
def test_secrets_where_they_do_not_belong(watch: Watch, form: str) -> None:
    """In the configuration, and in a TSIG key file that is wrong: the place is named, the value is not."""
    settings, key = watch.dkimctl.root / "etc/dkimctl/dkimctl.toml", watch.dkimctl.root / "tsig.key"
    settings.parent.mkdir(parents=True)
    secret = watch.sandbox.credentials.application_secret
    settings.write_text(f'[providers.ovh]\napplication_secret = "{secret}"\n')
    assert watch.run(*PUBLISH, form).code == 2
    settings.write_text('[providers.rfc2136]\nserver = "127.0.0.1:9"\nkey_file = "/tsig.key"\n')
    for text in (f'key "x" {{ algorithm hmac-sha256; secret "{TSIG}"; }};\n', f'key "x" {{ secret "{TSIG}!"; }};\n'):
        for mode in (0o600, 0o644):
            key.write_text(text)
            key.chmod(mode)
            assert watch.run("publish", ZONE, "--provider", "rfc2136", "--no-wait", form).code in (2, 3)
