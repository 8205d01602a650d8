"""A real PowerDNS, through its API (dns-lexicon) and through dynamic updates (RFC 2136)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.config.settings import Settings
from dkimctl.errors import Unavailable
from dkimctl.providers.base import Provider, ProviderSetup
from dkimctl.providers.lexicon.adapter import Session
from dkimctl.providers.lexicon.provider import open_lexicon
from dkimctl.providers.registry import open_provider
from dkimctl.record.model import KeyRecord
from tests.conftest import needs
from tests.powerdns import API_KEY, PowerDns, powerdns
from tests.provider_suite import Account, ProviderSuite
from tests.publishing import invented_record, manual_clock
from tests.update_servers import write_key

ZONES = [f"zone{number}.test" for number in range(60)]
FRESH = iter(ZONES)
pytestmark = needs("pdns_server")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDns]:
    """The server, with a fresh zone for each test."""
    with powerdns(tmp_path_factory.mktemp("powerdns") / "server", *ZONES) as running:
        yield running


@pytest.fixture
def zone() -> str:
    """A zone that no test has used."""
    return next(FRESH)


@pytest.fixture
def by_api(server: PowerDns, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider `lexicon:powerdns`."""
    pytest.importorskip("lexicon")
    monkeypatch.setenv("LEXICON_POWERDNS_AUTH_TOKEN", API_KEY)
    monkeypatch.setenv("LEXICON_POWERDNS_PDNS_SERVER", f"http://127.0.0.1:{server.api_port}")
    return open_lexicon(ProviderSetup("powerdns", {}, Settings(), manual_clock()))


@pytest.fixture
def by_update(server: PowerDns, tmp_path: Path) -> Provider:
    """The provider `rfc2136`."""
    key = write_key(tmp_path / "key")
    settings = Settings(providers={"rfc2136": {"key_file": str(key)}})
    return open_provider(f"rfc2136:127.0.0.1:{server.port}", settings, manual_clock())


def account(provider: Provider, server: PowerDns, zone: str) -> Account:
    """Return an account with a zone there; records are read from the database."""
    return Account(provider, zone, lambda name: [text.replace('" "', "").strip('"') for text in server.contents(name)])


class TestBehaviourOverTheApi(ProviderSuite):
    """The provider suite over the API."""

    @pytest.fixture
    def account(self, server: PowerDns, by_api: Provider, zone: str) -> Account:
        """One empty zone."""
        return account(by_api, server, zone)


def slashes(number: int) -> KeyRecord:
    """Return a key record whose base64 has many slashes, as every third real one has."""
    record = invented_record(number)
    return KeyRecord(
        tuple((tag, f"MIIB//{value[6:-8]}/+//9A==" if tag == "p" else value) for tag, value in record.tags)
    )


def test_another_key_with_slashes_is_replaced(server: PowerDns, by_api: Provider, zone: str) -> None:
    """Its identifier there is its content, which dns-lexicon splits at each slash."""
    there = account(by_api, server, zone)
    there.publish(there.wanted(slashes(1)))
    [name] = there.publish(there.wanted(slashes(2)), replace=True).names
    assert name.error is None
    assert there.look(name.wanted.name) == [slashes(2).text]


@pytest.mark.parametrize("quoting", ['\\"{}\\"', '\\\\\\"{}\\\\\\"', "{}\\\\"])
def test_a_key_with_quotes_in_it_is_replaced_by_one_record(
    server: PowerDns, by_api: Provider, zone: str, quoting: str
) -> None:
    """There is one record before and one afterwards, never two."""
    there = account(by_api, server, zone)
    wanted = there.wanted(invented_record(1, 200))
    value = wanted.record.get("p")
    server.put(zone, wanted.name, '"' + wanted.record.text.replace(value, quoting.format(value)) + '"')
    [name] = there.publish(wanted).names
    assert name.error is None
    assert there.look(wanted.name) == [wanted.record.text]


def test_an_old_record_that_cannot_be_removed_is_kept(
    server: PowerDns, by_api: Provider, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record before, the same one afterwards, and the error says so."""
    there = account(by_api, server, zone)
    there.publish(there.wanted(invented_record(1)))
    delete = Session.delete

    def selective(session: Session, identifier: str, kind: str, name: str) -> None:
        if invented_record(1).get("p")[:40] not in identifier:
            delete(session, identifier, kind, name)

    monkeypatch.setattr(Session, "delete", selective)
    [name] = there.publish(there.wanted(invented_record(2)), replace=True).names
    assert name.error is not None
    assert "the new one was removed again" in name.error.message
    assert there.look(name.wanted.name) == [invented_record(1).text]


def test_two_remaining_records_are_reported(
    server: PowerDns, by_api: Provider, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no record can be removed, the error does not claim that the state is as before."""
    there = account(by_api, server, zone)
    there.publish(there.wanted(invented_record(1)))
    monkeypatch.setattr(Session, "delete", lambda *_: None)
    [name] = there.publish(there.wanted(invented_record(2)), replace=True).names
    assert name.error is not None
    assert name.error.exit_code == 3
    assert f"{name.wanted.name} now has 2 records" in name.error.message
    assert "it was removed from the zone again" not in name.error.message
    assert invented_record(2).get("p")[-12:] in name.error.hint
    assert len(there.look(name.wanted.name)) == 2


class TestBehaviourOverUpdates(ProviderSuite):
    """The provider suite over dynamic updates."""

    @pytest.fixture
    def account(self, server: PowerDns, by_update: Provider, zone: str) -> Account:
        """One empty zone."""
        return account(by_update, server, zone)


def test_a_text_that_the_server_stores_unsplit(server: PowerDns, by_update: Provider, zone: str) -> None:
    """It answers NXRRSET for its own, unchanged record, and the error explains it."""
    there = account(by_update, server, zone)
    wanted = there.wanted(invented_record(1))
    server.put(zone, wanted.name, f'"{invented_record(2).text}"')
    [name] = there.publish(wanted, replace=True).names
    assert isinstance(name.error, Unavailable)
    assert "does not recognise its own record" in name.error.message
    assert "another program" not in name.error.message
    assert f"pdnsutil delete-rrset {zone}" in name.error.hint
    assert server.contents(wanted.name) == [f'"{invented_record(2).text}"']
