"""The suite that every provider passes. A test class for each provider inherits it and defines the fixture `account`.

It is what the rest of dkimctl relies on, so it goes through `dkimctl.publish`: plan, apply, read back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import DkimctlError, Refused
from dkimctl.providers.base import Create, Provider, ProviderRecord
from dkimctl.publish.apply import ZoneResult, apply
from dkimctl.publish.plan import Overrides, Wanted, plan
from dkimctl.record.model import KeyRecord
from tests.publishing import invented_record


@dataclass(frozen=True)
class Account:
    """A provider with one empty zone, and a function that reads the zone without the provider."""

    provider: Provider
    zone: str
    look: Callable[[str], list[str]]
    """Returns the texts at an owner name."""

    def wanted(self, record: KeyRecord, selector: str = "mail", ttl: int | None = None) -> Wanted:
        """A record at `<selector>._domainkey.<zone>`."""
        return Wanted(self.zone, selector, f"{selector}._domainkey.{self.zone}", record, ttl)

    def publish(self, *wanted: Wanted, replace: bool = False, accept_limits: bool = False) -> ZoneResult:
        """Plan and apply."""
        overrides = Overrides(replace, accept_limits)
        planned = plan(self.provider, self.zone, wanted, overrides)
        return apply(self.provider, planned, clock=SYSTEM_CLOCK, overrides=overrides)

    def put(self, name: str, text: str) -> None:
        """Create a foreign record."""
        self.provider.apply(self.zone, [Create(ProviderRecord(name, self.provider.capabilities.field_type, text))])
        self.provider.activate(self.zone)


def zone_file_texts(path: Path, zone: str, name: str) -> list[str]:
    """Return the TXT records at a name, as parsed by dnspython."""
    import dns.zone

    parsed = dns.zone.from_file(str(path), origin=zone, relativize=False)
    found = parsed.get_rdataset(f"{name}.", "TXT")
    return [b"".join(rdata.strings).decode() for rdata in found or ()]  # type: ignore[attr-defined]


OTHER_FORM = KeyRecord(tuple(tag for tag in invented_record(1).tags if tag[0] != "h"))
"""The key of `invented_record(1)`, written differently."""
REVOKED = KeyRecord((("v", "DKIM1"), ("k", "rsa"), ("p", "")))


class ProviderSuite:
    """The requirements of a provider, one test each."""

    def test_a_long_record_is_created_and_read_back_whole(self, account: Account) -> None:
        """A 4096-bit key, three character-strings long, is stored once and byte for byte."""
        record = invented_record(1, 550)
        [name] = account.publish(account.wanted(record)).names
        assert name.error is None
        assert account.look(name.wanted.name) == [record.text]
        [found] = account.provider.find(account.zone, [name.wanted.name])[name.wanted.name]
        assert found.text == record.text

    def test_the_second_run_changes_nothing(self, account: Account) -> None:
        """A right record is not written again."""
        wanted = account.wanted(invented_record(1))
        account.publish(wanted)
        assert plan(account.provider, account.zone, [wanted]).changes == ()

    def test_a_name_without_records_is_found_empty(self, account: Account) -> None:
        """Every requested name is in the result."""
        names = [f"{selector}._domainkey.{account.zone}" for selector in ("one", "two")]
        assert {k: tuple(v) for k, v in account.provider.find(account.zone, names).items()} == dict.fromkeys(names, ())

    def test_the_same_key_in_another_form_is_corrected(self, account: Account) -> None:
        """The record is replaced: the name has one in the end."""
        wanted = account.wanted(invented_record(1))
        account.put(wanted.name, OTHER_FORM.text)
        [name] = account.publish(wanted).names
        assert name.error is None
        assert account.look(wanted.name) == [wanted.record.text]

    def test_another_key_is_not_touched(self, account: Account) -> None:
        """A record that the tool did not make stays, and the plan says why nothing is done."""
        wanted = account.wanted(invented_record(1))
        account.put(wanted.name, invented_record(2).text)
        [name] = account.publish(wanted).names
        assert isinstance(name.error, Refused)
        assert account.look(wanted.name) == [invented_record(2).text]

    def test_another_key_is_replaced_when_asked_for(self, account: Account) -> None:
        """With `--replace` the name has exactly the wanted record afterwards."""
        wanted = account.wanted(invented_record(1))
        account.put(wanted.name, invented_record(2).text)
        [name] = account.publish(wanted, replace=True).names
        assert name.error is None
        assert account.look(wanted.name) == [wanted.record.text]

    def test_of_several_records_one_stays(self, account: Account) -> None:
        """Two records at one name make verifiers fail: the right one stays, the other goes."""
        wanted = account.wanted(invented_record(1))
        account.put(wanted.name, OTHER_FORM.text)
        account.put(wanted.name, wanted.record.text)
        [name] = account.publish(wanted).names
        assert name.error is None
        assert account.look(wanted.name) == [wanted.record.text]

    def test_a_key_is_revoked(self, account: Account) -> None:
        """The empty `p=` replaces the key (RFC 6376 §3.6.1), and nothing else changes."""
        account.publish(account.wanted(invented_record(1)))
        wanted = account.wanted(REVOKED)
        [name] = account.publish(wanted, replace=True).names
        assert name.error is None
        assert account.look(wanted.name) == [REVOKED.text]

    def test_several_names_in_one_go(self, account: Account) -> None:
        """Ten keys of one zone are created together, each at its own name."""
        wanted = [account.wanted(invented_record(n), f"key{n}") for n in range(10)]
        assert [name.error for name in account.publish(*wanted).names] == [None] * 10
        assert [account.look(one.name) for one in wanted] == [[one.record.text] for one in wanted]

    def test_neighbours_are_neither_found_nor_touched(self, account: Account) -> None:
        """Names that only look similar are other names."""
        neighbours = [f"{n}.{account.zone}" for n in ("xmail._domainkey", "mail._domainkey.sub", "mail.xdomainkey")]
        for neighbour in neighbours:
            account.put(neighbour, invented_record(3).text)
        wanted = account.wanted(invented_record(1))
        [name] = account.publish(wanted).names
        assert name.error is None
        assert name.existing == ()
        assert [account.look(neighbour) for neighbour in neighbours] == [[invented_record(3).text]] * 3

    def test_never_a_moment_without_the_record(self, account: Account) -> None:
        """A reader sees the old record, the new one or both while a record is being changed, never none."""
        forms = [account.wanted(invented_record(1)), account.wanted(OTHER_FORM)]
        account.publish(forms[0])
        stop, seen = threading.Event(), [account.look(forms[0].name)]

        def watch() -> None:
            while not stop.wait(0.002):
                seen.append(account.look(forms[0].name))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            for turn in range(1, 10_000):
                assert account.publish(forms[turn % 2]).names[0].error is None
                if turn >= 4 and len(seen) > 10:
                    break
        finally:
            stop.set()
            watcher.join()
        texts = {form.record.text for form in forms}
        assert len(seen) > 1
        assert [look for look in seen if not look or not set(look) <= texts] == []

    def test_the_zone_of_a_name_is_found(self, account: Account) -> None:
        """The zone is found from itself, a domain in it or an owner name; a name outside it is an error."""
        zone = account.zone
        names = (zone, f"sub.{zone}", f"mail._domainkey.{zone}", f"mail._domainkey.a.b.{zone}")
        assert [account.provider.zone_of(name) for name in names] == [zone] * 4
        with pytest.raises(DkimctlError, match="other"):
            account.provider.zone_of(f"mail._domainkey.other-{zone}.example")
