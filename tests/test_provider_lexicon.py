"""The services of dns-lexicon: its OVH provider against the sandbox, and its provider for local zone files."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from requests.adapters import HTTPAdapter

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Option, Settings
from dkimctl.errors import ApiError, ConfigError, DkimctlError, Refused
from dkimctl.providers.base import Provider, Replace
from dkimctl.providers.lexicon import adapter
from dkimctl.providers.lexicon.services import FORMS, REMAKING, TextForm
from dkimctl.providers.lexicon.text import from_service, to_service
from dkimctl.providers.limited_http import BoundedAdapter, BoundedSession
from dkimctl.providers.registry import open_provider
from dkimctl.record.presentation import character_strings, quoted
from dkimctl.sandbox import Sandbox
from tests.conftest import DkimctlInside
from tests.dns_servers import name_servers
from tests.hostile_http import HostileServer, Respond, fixed, flooding, hostile_server
from tests.provider_suite import OTHER_FORM, Account, ProviderSuite, zone_file_texts
from tests.publishing import ZONE, invented_record, sandbox

pytest.importorskip("lexicon", reason="dns-lexicon is not installed (pip install 'dkimctl[test]')")
pytest.importorskip("localzone", reason="localzone is not installed (pip install 'dkimctl[test]')")

LONG = invented_record(1).text


def opened(service: str, **options: Option) -> Provider:
    """Return the provider for a service with these options in its table."""
    return open_provider(f"lexicon:{service}", Settings(providers={f"lexicon:{service}": options}), SYSTEM_CLOCK)


@pytest.fixture
def at_ovh(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox at dns-lexicon's address for OVH, with credentials in the environment."""
    from lexicon._private.providers import ovh

    with sandbox() as running:
        monkeypatch.setitem(ovh.ENDPOINTS, "ovh-eu", running.api_url)
        monkeypatch.setenv("LEXICON_OVH_AUTH_ENTRYPOINT", "ovh-eu")
        for name in ("APPLICATION_KEY", "APPLICATION_SECRET", "CONSUMER_KEY"):
            monkeypatch.setenv(f"LEXICON_OVH_AUTH_{name}", running.environment()[f"OVH_{name}"])
        yield running


def account_at_ovh(running: Sandbox) -> Account:
    """Return an account whose records are read from the sandbox itself."""
    zone = running.zone(ZONE)

    def look(name: str) -> list[str]:
        return [from_service(r.target) for r in zone.edited if f"{r.sub_domain}.{ZONE}" == name]

    return Account(opened("ovh"), ZONE, look)


class TestAtOvh(ProviderSuite):
    """A service with an API over HTTP, where records are changed in place."""

    @pytest.fixture
    def account(self, at_ovh: Sandbox) -> Account:
        """The sandbox, through dns-lexicon."""
        return account_at_ovh(at_ovh)


class TestWhereUpdatesDeleteFirst(ProviderSuite):
    """The suite for a service at which the library deletes a record and creates it again in order to update it."""

    @pytest.fixture
    def account(self, at_ovh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Account:
        """Return OVH, declared to be such a service."""
        monkeypatch.setattr("dkimctl.providers.lexicon.provider.REMAKING", {"ovh"})
        return account_at_ovh(at_ovh)


class TestLocalZone(ProviderSuite):
    """A service that expects quoted character-strings and returns texts with blanks between them."""

    @pytest.fixture
    def account(self, tmp_path: Path) -> Account:
        """Return a zone file that the library localzone edits."""
        path = tmp_path / "zone"
        path.write_text(f"$ORIGIN {ZONE}.\n$TTL 300\n{name_servers('127.0.0.1')}")
        return Account(opened("localzone", filename=str(path)), ZONE, lambda name: zone_file_texts(path, ZONE, name))

    def test_never_a_moment_without_the_record(self, account: Account) -> None:
        """Localzone itself writes the file in place: only the state after each change is checked."""
        forms = [account.wanted(invented_record(1)), account.wanted(OTHER_FORM)]
        for form in (*forms, *forms):
            account.publish(form)
            assert account.look(form.name) == [form.record.text]

    def test_the_zone_of_a_name_is_found(self, account: Account) -> None:
        """Localzone accepts any zone; the zone must be known from DNS or the configuration."""
        assert account.provider.zone_of(account.zone) == account.zone
        assert account.provider.zone_of(f"mail._domainkey.{account.zone}") == account.zone


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", TextForm)
@pytest.mark.parametrize("text", ["short", LONG, invented_record(1, 550).text, 'a "quote" and \\', "", "x" * 255])
def test_texts_come_back_from_every_form(form: TextForm, text: str) -> None:
    """A text sent in a form is parsed when it comes back in that form."""
    assert from_service(to_service(text, form)) == text


def test_texts_are_parsed_in_every_form_that_services_list() -> None:
    """Quoted strings, strings without outer quotes, and strings without quotes but with the blank between them."""
    strings = [quoted(part) for part in character_strings(LONG)]
    assert from_service(" ".join(strings)) == LONG
    assert from_service(" ".join(strings)[1:-1]) == LONG
    assert from_service(" ".join(strings).replace('"', "")) == LONG
    assert from_service(f'"{LONG}"') == LONG


def test_the_lists_of_services_name_services() -> None:
    """A service that the library renames or drops must be removed from our lists too."""
    assert set(FORMS) | REMAKING <= set(adapter.known_services())


# --- settings and secrets ---------------------------------------------------------------------------------------------


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    """A typing mistake ends with the list of names."""
    with pytest.raises(ConfigError, match="knows no service cloudfare") as caught:
        opened("cloudfare")
    assert "cloudflare" in caught.value.hint


def test_without_a_service() -> None:
    """`--provider lexicon` alone is an error that lists the services."""
    with pytest.raises(ConfigError, match="needs a service") as caught:
        open_provider("lexicon", Settings(), SYSTEM_CLOCK)
    assert "lexicon:NAME" in caught.value.hint


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint is the command that installs the extra."""
    from importlib import metadata

    def absent(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ConfigError, match="dns-lexicon") as caught:
        opened("ovh")
    assert "pip install 'dkimctl[lexicon]'" in caught.value.hint


def test_a_service_that_needs_more_than_the_library() -> None:
    """Some services need another package: the error names it."""
    with pytest.raises(ConfigError, match="softlayer needs more") as caught:
        opened("softlayer").zone_of(f"mail._domainkey.{ZONE}")
    assert "pip install 'dns-lexicon[softlayer]'" in caught.value.hint


def test_secrets_in_the_configuration_are_refused() -> None:
    """The error lists every mistake of the table and says where secrets go; it shows none."""
    with pytest.raises(ConfigError) as caught:
        opened("cloudflare", auth_token="s3cr3t-token", text_limit=0, text_form="odd", minimum_ttl="x")
    assert len(caught.value.problems) == 4
    assert "LEXICON_" in caught.value.hint
    assert "s3cr3t" not in "".join((caught.value.message, caught.value.hint, *caught.value.problems))


def test_secrets_from_a_file(at_ovh: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A TOML file with the library's options, mode 0600; one that others can read is refused."""
    path = tmp_path / "secrets.toml"
    lines = []
    for name in ("application_key", "application_secret", "consumer_key"):
        monkeypatch.delenv(f"LEXICON_OVH_AUTH_{name.upper()}")
        lines.append(f'auth_{name} = "{at_ovh.environment()[f"OVH_{name.upper()}"]}"\n')
    path.write_text("".join(lines))
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by other users"):
        opened("ovh", credentials=str(path))
    path.chmod(0o600)
    assert opened("ovh", credentials=str(path)).zone_of(f"mail._domainkey.{ZONE}") == ZONE


def test_the_capabilities_are_declared() -> None:
    """The limits in a service's table are its capabilities."""
    capabilities = opened("cloudflare", text_limit=255, minimum_ttl=120).capabilities
    assert (capabilities.field_type, capabilities.text_limit, capabilities.minimum_ttl) == ("TXT", 255, 120)


def test_a_record_that_the_service_cannot_hold_is_refused(at_ovh: Sandbox) -> None:
    """The hint is a CNAME into another zone, since a shorter key would be weaker. Nothing is sent."""
    account = Account(opened("ovh", text_limit=255), ZONE, lambda _: [])
    [name] = account.publish(account.wanted(invented_record(1))).names
    assert isinstance(name.error, Refused)
    assert "CNAME" in name.error.hint
    assert "1024" not in name.error.hint
    assert "--accept-limits" in name.error.hint
    assert [call for call in at_ovh.calls if call.method != "GET"] == []


def test_accept_limits_tries_a_longer_text(at_ovh: Sandbox) -> None:
    """The service may store more than its declared limit; the read-back decides."""
    account = Account(opened("ovh", text_limit=255), ZONE, lambda _: [])
    wanted = account.wanted(invented_record(1))
    [name] = account.publish(wanted, accept_limits=True).names
    assert name.error is None
    [found] = account.provider.find(ZONE, [wanted.name])[wanted.name]
    assert found.text == wanted.record.text


# --- failures ---------------------------------------------------------------------------------------------------------


def test_wrong_credentials(at_ovh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 with the service's own message, without keys and secrets."""
    secret = "wrong-but-still-a-secret"
    monkeypatch.setenv("LEXICON_OVH_AUTH_CONSUMER_KEY", secret)
    with pytest.raises(ApiError, match="refuses access to") as caught:
        opened("ovh").zone_of(f"mail._domainkey.{ZONE}")
    assert caught.value.exit_code == 3
    assert "LEXICON_OVH_" in caught.value.hint
    assert secret not in caught.value.message + caught.value.hint


def test_a_missing_zone(at_ovh: Sandbox) -> None:
    """Each enclosing domain is tried; the error is that of the first."""
    with pytest.raises(ApiError, match=r"a\.elsewhere\.org"):
        opened("ovh").zone_of("mail._domainkey.a.elsewhere.org")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("GET https://x.example/api?user=me&password=abcd failed"), r"x\.example/api\?…"),
        (ValueError("token s3cr3t-token refused"), r"token \*\*\* refused"),
        (ValueError("no path /s3cr3t%2Ftoken/zones"), r"no path /\*\*\*/zones"),
        (ConnectionError("no route"), "cannot be reached: no route"),
        (KeyError(), "failed: KeyError"),
    ],
)
def test_exceptions_of_services_become_errors_without_secrets(
    error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any exception becomes an ApiError; URLs lose their query, and known secrets become ***."""
    monkeypatch.setenv("LEXICON_LOCALZONE_AUTH_TOKEN", "s3cr3t-token")
    monkeypatch.setenv("LEXICON_LOCALZONE_AUTH_KEY", "s3cr3t/token")
    monkeypatch.setattr(adapter, "_client", _raising(error))
    with pytest.raises(DkimctlError, match=words) as caught:
        opened("localzone", filename="x").zone_of(f"mail._domainkey.{ZONE}")
    assert caught.value.exit_code == 3
    assert "s3cr3t" not in caught.value.message
    assert "abcd" not in caught.value.message


@pytest.mark.parametrize(
    ("respond", "words"),
    [
        (lambda server: fixed(b"", "Location: https://elsewhere.example/", status="302 Found"), "is not followed"),
        (lambda server: flooding(server, b"HTTP/1.1 200 OK\r\n\r\n"), "is not read"),
    ],
    ids=["redirect", "endless"],
)
def test_answers_of_services_are_limited(
    respond: Callable[[HostileServer], Respond], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A redirect to another origin is not followed, and an endless answer is not read to its end."""
    with hostile_server(respond) as server:
        monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", "s3cr3t-token")
        monkeypatch.setenv("LEXICON_POWERDNS_PDNS_SERVER", server.url.removesuffix("/1.0"))
        with pytest.raises(ApiError, match=words) as caught:
            opened("powerdns").find(ZONE, [f"mail._domainkey.{ZONE}"])
    assert caught.value.message.startswith("the service powerdns answers with ")
    assert len(server.heads) == 1


def test_the_limits_stay_when_a_service_mounts_its_own_adapter() -> None:
    """Some services mount an adapter with retries: the retries are kept, and so are the limits."""
    session = BoundedSession()
    session.mount("https://", HTTPAdapter(max_retries=3))
    mounted = session.get_adapter("https://api.example/")
    assert isinstance(mounted, BoundedAdapter)
    assert mounted.max_retries.total == 3


def test_an_unreachable_service(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> None:
    """The error has only the operating system's message, not the libraries' wrapping."""
    monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", "s3cr3t-token")
    monkeypatch.setenv("LEXICON_POWERDNS_PDNS_SERVER", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ApiError) as caught:
        opened("powerdns").find(ZONE, [f"mail._domainkey.{ZONE}"])
    assert caught.value.message == "the service powerdns cannot be reached: connection refused"


def _raising(error: Exception) -> object:
    def client(*_: object) -> None:
        raise error

    return client


def test_a_service_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself would wait for ever; the provider ends after a time."""
    monkeypatch.setattr(adapter, "TIMEOUT", 0.05)
    monkeypatch.setattr(adapter, "_client", lambda *_: time.sleep(0.3))
    with pytest.raises(ApiError, match=r"no answer within 0\.05 s"):
        opened("localzone", filename="x").zone_of(f"mail._domainkey.{ZONE}")


def test_a_create_whose_answer_was_lost(at_ovh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider looks for the record before it reports a failure: it exists, and no second is created."""
    provider = opened("ovh")
    provider.zone_of(f"mail._domainkey.{ZONE}")
    session = provider._sessions[ZONE, 0]  # type: ignore[attr-defined]
    create = session._operations.create_record

    def losing(*arguments: object) -> None:
        create(*arguments)
        raise ConnectionError("the answer was lost")

    monkeypatch.setattr(session, "_operations", SimpleNamespace(
        create_record=losing, list_records=session._operations.list_records
    ))  # fmt: skip
    account = Account(provider, ZONE, lambda _: [])
    [name] = account.publish(account.wanted(invented_record(1))).names
    assert name.error is None
    assert len([r for r in at_ovh.zone(ZONE).edited if r.sub_domain == "mail._domainkey"]) == 1


def test_a_ttl_that_cannot_change_in_place_is_refused(at_ovh: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an update deletes first, the name is not left without a record for a ttl."""
    monkeypatch.setattr("dkimctl.providers.lexicon.provider.REMAKING", {"ovh"})
    account = Account(opened("ovh"), ZONE, lambda _: [])
    account.publish(account.wanted(invented_record(1)))
    [found] = account.provider.find(ZONE, [f"mail._domainkey.{ZONE}"])[f"mail._domainkey.{ZONE}"]
    with pytest.raises(Refused, match="ttl"):
        account.provider.apply(ZONE, [Replace(found, found)])


def test_publish_as_a_user_types_it(at_ovh: Sandbox, dkimctl_inside: DkimctlInside) -> None:
    """A new key is published, with the service's secrets in the environment only."""
    assert dkimctl_inside("genkey", ZONE, "-s", "mail", "--owner", "0:0").code == 0
    secrets = {f"LEXICON_OVH_AUTH_{k}": at_ovh.environment()[f"OVH_{k}"] for k in ("APPLICATION_KEY", "CONSUMER_KEY")}
    secrets["LEXICON_OVH_AUTH_APPLICATION_SECRET"] = at_ovh.environment()["OVH_APPLICATION_SECRET"]
    run = dkimctl_inside("publish", ZONE, "--provider", "lexicon:ovh", "--no-wait", "-v", env=secrets)
    assert (run.code, "error" in run.err) == (0, False)
    [record] = [r for r in at_ovh.zone(ZONE).served if r.sub_domain == "mail._domainkey"]
    assert "v=DKIM1" in record.target
    assert not any(secret in run.out + run.err for secret in secrets.values())
