"""`ovh login`: a consumer key with the smallest rights, over real HTTP with the real `ovh` library."""

import configparser
import os
import stat
from dataclasses import replace
from pathlib import Path

import ovh
import ovh.client
import pytest

from dkimctl.cli.app import App
from dkimctl.errors import CheckFailed, ConfigError, DkimctlError, Refused, Unavailable
from dkimctl.providers.ovh.credentials import Credentials, stored_credentials
from dkimctl.providers.ovh.credentials_store import with_credentials
from dkimctl.providers.ovh.grants import Rule, rules_for
from dkimctl.providers.ovh.login import POLL, Login, LoginRequest, Pending, log_in
from dkimctl.providers.ovh.refusals import OvhError
from dkimctl.providers.ovh.rights import RULES, token_page
from dkimctl.sandbox import Fault, Sandbox
from tests.conftest import Dkimctl, DkimctlInside
from tests.ovh_people import ZONE, Person, application, login_request, newest_key, quick_sandbox, willing
from tests.publishing import sandbox


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The file in which the keys are stored."""
    return tmp_path / "etc/ovh.conf"


def run(asked: LoginRequest, person: Person) -> Login:
    """Log in while a person validates the key."""
    return log_in(asked, person, person.look)


def client_from(path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> ovh.Client:
    """Return the library's own client, configured by the file alone."""
    for name in [name for name in os.environ if name.startswith("OVH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(ovh.client.ENDPOINTS, endpoint, endpoint)
    return ovh.Client(config_file=str(path))


# --- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("readable", [False, True])
def test_a_validated_key_is_stored_and_works(target: Path, monkeypatch: pytest.MonkeyPatch, readable: bool) -> None:
    """A key is requested, validated by a person, stored with mode 0600, and read by the library itself."""
    with sandbox(pending_credential_readable=readable) as running:
        person = willing(running)
        done = run(login_request(running, target), person)
        assert (done.result, done.path, done.backup) == ("stored", target, None)
        assert person.slept == [POLL, POLL]
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        client = client_from(target, monkeypatch, running.api_url)
        with client._session:
            assert client.get(f"/domain/zone/{ZONE}")["name"] == ZONE
            with pytest.raises(ovh.APIError, match="not been granted"):
                client.get("/domain/zone")


def test_exactly_the_rights_that_are_used_are_asked_for(target: Path) -> None:
    """Nine rules for each zone, the ones shown to the person; the account's zones are never listed."""
    with sandbox(ZONE, "example.org") as running:
        person = willing(running)
        run(login_request(running, target, ZONE, "example.org"), person)
        credential = running.credentials.find(newest_key(running))
        assert credential and person.pending
        granted = [Rule(rule.method, rule.path) for rule in credential.rules]
        assert granted == list(person.pending.rules) == list(rules_for([ZONE, "example.org"]))
        assert len(granted) == 2 * len(RULES) == 18
        assert "/domain/zone" not in [call.path.rstrip("/") for call in running.calls]


@pytest.mark.parametrize("state", ["pendingValidation", "refused", "expired"])
def test_a_key_that_nobody_validates_is_not_stored(target: Path, state: str) -> None:
    """The API answers the same for pending, refused and expired keys: all fail after the timeout."""
    with sandbox() as running:
        person = Person(act=lambda _: running.credentials.set_state(newest_key(running), state))  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match=r"not validated within 10 s, or it was refused; nothing was stored") as e:
            run(login_request(running, target, timeout=10), person)
        assert f"dkimctl ovh login {ZONE}" in e.value.hint
        assert sum(person.slept) == 10
        assert not target.exists()


def test_a_revoked_key_ends_the_wait(target: Path) -> None:
    """The wait ends when OVH no longer knows the key."""
    with sandbox() as running:
        person = Person(act=lambda _: running.credentials.revoke(newest_key(running)))
        with pytest.raises(Unavailable, match="refused or revoked; nothing was stored"):
            run(login_request(running, target), person)
        assert person.slept == [POLL]
        assert not target.exists()


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_key_with_fewer_rights_is_not_stored(target: Path, method: str) -> None:
    """The granted rules are compared with the needed ones before the key is stored."""
    with sandbox() as running:

        def grant_less(_: str) -> None:
            key = newest_key(running)
            credential = running.credentials._credentials[key]
            rules = tuple(rule for rule in credential.rules if rule.method != method)
            running.credentials._credentials[key] = replace(credential, rules=rules, state="validated")

        with pytest.raises(CheckFailed, match=rf"it lacks {method} /domain/zone/{ZONE}/record.*nothing was stored"):
            run(login_request(running, target), Person(act=grant_less))
        assert not target.exists()


def test_a_zone_of_another_account_is_refused(target: Path) -> None:
    """OVH grants rules for any name; the account is checked for the zone before the key is stored."""
    with sandbox() as running:
        with pytest.raises(CheckFailed, match=r"zone domian.tld is not in this OVH account"):
            run(login_request(running, target, "domian.tld"), willing(running))
        assert not target.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("application_key", "does not know this application key"), ("application_secret", "secret does not belong")],
)
def test_wrong_application(target: Path, wrong: str, message: str) -> None:
    """The error is reported before the validation page is shown."""
    with sandbox() as running:
        person = willing(running)
        with pytest.raises(OvhError, match=message):
            run(login_request(running, target, asker=application(running, **{wrong: "0" * 16})), person)
        assert person.pending is None
        assert not target.exists()


def test_unreachable(target: Path) -> None:
    """No server at the endpoint: exit code 3 within seconds."""
    with sandbox() as running:
        asked = login_request(running, target)
    person = Person()
    with pytest.raises(OvhError, match="connection refused") as e:
        run(asked, person)
    assert (e.value.exit_code, person.pending) == (3, None)
    assert sum(person.slept) < 10


@pytest.mark.parametrize("kind", ["500-json", "502-html", "429", "reset-before", "null", "truncated-json", "empty-200"])
def test_a_fault_while_waiting_does_not_end_the_wait(target: Path, kind: str) -> None:
    """If one check fails, the next one sees that the key has become valid."""
    with sandbox() as running:
        running.faults.add(Fault(kind, path="/auth/*", method="GET"))  # type: ignore[arg-type]
        assert run(login_request(running, target), willing(running)).result == "stored"


def test_interrupted_while_waiting(target: Path) -> None:
    """Ctrl-C ends with one sentence that says what was not done."""

    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with sandbox() as running:
        with pytest.raises(KeyboardInterrupt, match=r"^interrupted before .* validated: nothing was stored$"):
            run(login_request(running, target), Person(act=stop))
        assert not target.exists()


# --- an existing file -------------------------------------------------------------------------------------------------


def test_a_stored_key_with_the_rights_is_kept(target: Path) -> None:
    """The second run requests no key and changes nothing."""
    with sandbox(ZONE, "example.org") as running:
        run(login_request(running, target, ZONE, "example.org"), willing(running))
        before = target.read_bytes()
        running.clear_calls()
        assert run(login_request(running, target), willing(running)).result == "kept"
        assert [call for call in running.calls if call.method == "POST"] == []
        assert target.read_bytes() == before


def test_no_right_is_lost_silently(target: Path) -> None:
    """A key for one zone does not replace one for another zone; a key for both does, and the old file is kept."""
    with sandbox(ZONE, "example.org") as running:
        run(login_request(running, target), willing(running))
        before = target.read_bytes()
        with pytest.raises(Refused, match=f"GET /domain/zone/{ZONE}") as e:
            run(login_request(running, target, "example.org"), willing(running))
        assert f"dkimctl ovh login {ZONE} example.org" in e.value.hint
        assert target.read_bytes() == before
        done = run(login_request(running, target, ZONE, "example.org"), willing(running))
        assert done.backup is not None
        assert (done.backup.read_bytes(), stat.S_IMODE(done.backup.stat().st_mode)) == (before, 0o600)
        assert target.read_bytes() != before


def test_replace_drops_the_rights_of_the_old_key(target: Path) -> None:
    """With --replace the new key is for the named zones only; the old key is in the copy."""
    with sandbox(ZONE, "example.org") as running:
        run(login_request(running, target), willing(running))
        done = run(login_request(running, target, "example.org", replace=True), willing(running))
        assert done.backup is not None
        assert [zone.zone for zone in done.credential.zones] == ["example.org"]


@pytest.mark.parametrize("state", ["expired", "refused", "pendingValidation"])
def test_a_stored_key_that_is_not_valid_is_replaced(target: Path, state: str) -> None:
    """An invalid key is replaced without an option, and the old file is kept nevertheless."""
    with sandbox() as running:
        run(login_request(running, target), willing(running))
        running.credentials.set_state(newest_key(running), state)  # type: ignore[arg-type]
        done = run(login_request(running, target), willing(running))
        assert done.result == "stored"
        assert done.backup is not None


def test_a_file_that_others_can_read_is_refused(target: Path) -> None:
    """Other users may have read it already: nothing is added to it."""
    target.parent.mkdir()
    target.write_text("[default]\nendpoint=ovh-eu\n")
    target.chmod(0o640)
    with sandbox() as running, pytest.raises(ConfigError, match="can be read by other users") as e:
        run(login_request(running, target), willing(running))
    assert e.value.hint == f"chmod 600 {target}"
    assert target.read_text() == "[default]\nendpoint=ovh-eu\n"


def test_a_directory_that_others_can_write_is_refused(target: Path) -> None:
    """Another user could replace the file."""
    target.parent.mkdir()
    target.parent.chmod(0o777)
    with sandbox() as running, pytest.raises(Refused, match="can be written by other users") as e:
        run(login_request(running, target), willing(running))
    assert "--credentials" in e.value.hint
    assert not target.exists()


@pytest.mark.parametrize("obstacle", ["others write", "no directory"])
def test_no_key_is_requested_that_could_not_be_stored(target: Path, obstacle: str) -> None:
    """A missing `sudo` is reported before a key is requested and a page opened."""
    if obstacle == "no directory":
        target.parent.write_text("a file")
    else:
        target.parent.mkdir()
        target.parent.chmod(0o777)
    with sandbox() as running:
        person = willing(running)
        with pytest.raises(DkimctlError):
            run(login_request(running, target), person)
        assert (person.pending, running.calls) == (None, [])


def test_hints_name_the_file_that_was_named(dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """A pasted hint uses the same file as the command."""
    with sandbox() as running:
        file = tmp_path / "my own.conf"
        ran = dkimctl_inside(
            "ovh", "login", ZONE, "--credentials", file, "--timeout", "0", "--replace", env=environment(running)
        )
    asked = f"dkimctl ovh login {ZONE} --credentials '{file}' --replace --timeout 0"
    assert (ran.code, ran.err.splitlines()[-1]) == (3, f"dkimctl: hint: request it again: {asked}")


NEW = Credentials("ovh-eu", "AK", "AS", "CK")
KEYS = {"application_key": "AK", "application_secret": "AS", "consumer_key": "CK"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\n\n[ovh-ca]\nconsumer_key = other\n",
        "[default]\nendpoint=ovh-ca\n\n[ovh-eu]\n; old\nApplication_Key : old\nconsumer_key = old\n  goes on\nx=1\n",
        "[ovh-eu]\nclient=%(no)s interpolation\n# the end",
        "[other]\n[ovh-eu]\n\n[default]\n",
        "[ovh-eu]\r\nconsumer_key=old\r\n",
    ],
)
def test_everything_else_in_the_file_is_kept(text: str) -> None:
    """Other sections, options and comments are kept; the endpoint becomes the default only where there is none."""
    after = with_credentials(text, NEW)
    old, new = configparser.RawConfigParser(), configparser.RawConfigParser()
    old.read_string(text)
    new.read_string(after)
    assert KEYS.items() <= dict(new["ovh-eu"]).items()
    assert new["default"]["endpoint"] == old.get("default", "endpoint", fallback="ovh-eu")
    for section in old.sections():
        kept = {name: value for name, value in old[section].items() if section != "ovh-eu" or name not in KEYS}
        assert kept.items() <= dict(new[section]).items()
    comments, left = ([line for line in lines.splitlines() if line.startswith(("#", ";"))] for lines in (text, after))
    assert left == comments
    assert with_credentials(after, NEW) == after


def test_a_link_is_followed_to_the_file(target: Path, tmp_path: Path) -> None:
    """In a managed /etc the file is often a link: its target is changed, the link is kept."""
    real = tmp_path / "real.conf"
    target.parent.mkdir()
    target.symlink_to(real)
    with sandbox() as running:
        run(login_request(running, target), willing(running))
        assert target.is_symlink()
        assert stored_credentials(real, running.api_url) is not None


# --- as it is typed ---------------------------------------------------------------------------------------------------


def environment(running: Sandbox, **other: str) -> dict[str, str]:
    """Return the variables of an application without a consumer key."""
    variables = {**running.environment(), **other}
    del variables["OVH_CONSUMER_KEY"]
    return variables


def test_login_and_whoami_as_typed(dkimctl_inside: DkimctlInside) -> None:
    """An application gets a key with which publish works; whoami finds the key; no key is printed."""
    with quick_sandbox() as running:
        variables = environment(running)
        login = dkimctl_inside("ovh", "login", ZONE, env=variables)
        assert (login.code, login.err.splitlines()[-1]) == (0, "dkimctl: next: dkimctl publish DOMAIN --provider ovh")
        assert f"{running.api_url.removesuffix('/1.0')}/auth/?credentialToken=" in login.out
        assert (dkimctl_inside.root / "etc/dkimctl/ovh.conf").is_file()
        who = dkimctl_inside("ovh", "whoami", env={"OVH_ENDPOINT": running.api_url})
        assert (who.code, who.err) == (0, "")
        assert f"{ZONE}: every right that is needed" in who.out
        assert "ends      never" in who.out
        for secret in (newest_key(running), running.credentials.application_secret):
            assert secret not in login.out + login.err + who.out + who.err


def test_a_kept_key_for_a_missing_zone(dkimctl_inside: DkimctlInside) -> None:
    """The stored key has the rules, but the account has no such zone: exit code 1, and the error says so."""
    with quick_sandbox(ZONE, "example.org") as running:
        assert dkimctl_inside("ovh", "login", ZONE, "example.org", env=environment(running)).code == 0
        del running.zones["example.org"]
        ran = dkimctl_inside("ovh", "login", "example.org", env=environment(running))
        assert (ran.code, ran.out.startswith("kept"), "DKIM955" in ran.out) == (1, True, True)


def test_login_as_json(dkimctl_inside: DkimctlInside) -> None:
    """One document on stdout; the URL to open goes to stderr, also with -q."""
    with quick_sandbox() as running:
        ran = dkimctl_inside("ovh", "login", ZONE, "--json", "-q", env=environment(running))
        assert ran.code == 0
        assert ran.json["login"]["result"] == "stored"
        assert ran.json["login"]["credential"]["zones"] == [{"zone": ZONE, "missing": []}]
        assert "/auth/?credentialToken=" in ran.err
        again = dkimctl_inside("ovh", "login", ZONE, "--json", env=environment(running))
        assert (ran.json["changed"], again.json["login"]["result"], again.json["changed"]) == (True, "kept", False)


@pytest.mark.parametrize("zones", [(), (ZONE,)])
def test_rules_are_shown(dkimctl_inside: DkimctlInside, zones: tuple[str, ...]) -> None:
    """Without credentials and without a call; `ZONE` is a placeholder where no zone is named."""
    ran = dkimctl_inside("ovh", "login", "--show-rules", *zones)
    shown = [tuple(line.split()) for line in ran.out.splitlines()]
    assert shown == [(method, path.format(zone=ZONE if zones else "ZONE")) for method, path in RULES]
    document = dkimctl_inside("ovh", "login", "--show-rules", *zones, "--json").json
    assert [(rule["method"], rule["path"]) for rule in document["rules"]] == shown


def test_the_page_that_creates_all_three_keys_is_named(dkimctl_inside: DkimctlInside) -> None:
    """Its URL includes the rights and the region in use; for several zones it would be too long."""
    ran = dkimctl_inside("ovh", "login", "--show-rules", ZONE, env={"OVH_ENDPOINT": "ovh-ca"})
    assert ran.err.rstrip().endswith(token_page(ZONE, "ca.api.ovh.com"))
    assert dkimctl_inside("ovh", "login", "--show-rules", ZONE, "example.org").err == ""


def test_where_an_application_is_created(dkimctl_inside: DkimctlInside) -> None:
    """Without application key and secret, the error names both and the page of the right region."""
    ran = dkimctl_inside("ovh", "login", ZONE, env={"OVH_ENDPOINT": "ovh-ca"})
    assert ran.code == 2
    assert "OVH_APPLICATION_KEY" in ran.err
    assert "OVH_APPLICATION_SECRET_FILE" in ran.err
    assert "https://ca.api.ovh.com/createApp/" in ran.err


def test_login_without_zones(dkimctl_inside: DkimctlInside) -> None:
    """A key without zones is not requested."""
    ran = dkimctl_inside("ovh", "login")
    assert (ran.code, ran.out) == (2, "")
    assert "name the zones" in ran.err


def test_a_service_account_needs_no_login(dkimctl_inside: DkimctlInside) -> None:
    """The rights of a service account are policies; it has no use for a consumer key."""
    ran = dkimctl_inside("ovh", "login", ZONE, env={"OVH_CLIENT_ID": "EU.1", "OVH_CLIENT_SECRET": "s"})
    assert ran.code == 2
    assert "service account needs no consumer key" in ran.err


def test_a_key_that_would_not_be_used_is_reported(dkimctl_inside: DkimctlInside, tmp_path: Path) -> None:
    """The environment overrides the file, and a file elsewhere is not read: both are reported."""
    with quick_sandbox() as running:
        ran = dkimctl_inside("ovh", "login", ZONE, env=running.environment())
        assert (ran.code, "unset OVH_CONSUMER_KEY" in ran.err) == (0, True)
        ran = dkimctl_inside("ovh", "login", ZONE, "--credentials", tmp_path / "mine", env=environment(running))
        assert (ran.code, f'credentials = "{tmp_path}/mine"' in ran.err) == (0, True)


def test_interrupted_as_typed(dkimctl_inside: DkimctlInside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, and one sentence after the earlier output."""

    class Impatient(Person):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(App, "clock", Impatient())
    with sandbox() as running:
        ran = dkimctl_inside("ovh", "login", ZONE, env=environment(running))
    assert ran.code == 130
    assert ran.err.splitlines()[1:] == [
        "dkimctl: interrupted before the consumer key was validated: nothing was stored"
    ]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("dkimctl ovh ", ["login", "whoami"]),
        ("dkimctl ovh w", ["whoami"]),
        ("dkimctl ovh login --cred", ["--credentials"]),
    ],
)
def test_completion_below_the_group(dkimctl: Dkimctl, typed: str, offered: list[str]) -> None:
    """The tab key completes after the group's name."""
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)}
    ran = dkimctl(env={"_DKIMCTL_COMPLETE": "zsh_complete", **words})
    assert ran.out.splitlines()[1::3] == offered


def test_a_nonsense_answer_is_an_ordinary_error(target: Path) -> None:
    """An API that answers nonsense instead of a consumer key is an error of ours, not a crash."""
    for kind in ("html-200", "truncated-json", "null", "null-error"):
        with sandbox() as running:
            running.faults.add(Fault(kind, path="/auth/credential", times=None))
            with pytest.raises(DkimctlError):
                log_in(login_request(running, target), Person(), lambda _: None)
        assert not target.exists()


def test_the_page_is_shown_before_the_wait(target: Path) -> None:
    """The URL is shown before the first sleep."""
    with sandbox() as running:
        person = willing(running)
        slept_at_report: list[int] = []

        def look(pending: Pending) -> None:
            slept_at_report.append(len(person.slept))
            person.look(pending)

        log_in(login_request(running, target), person, look)
        assert slept_at_report == [0]
