"""The behaviour suite for the providers that need nothing but this package: OVH (the sandbox) and zone files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dkimctl.providers.zonefile.provider import ZoneFileProvider
from tests.dns_servers import name_servers
from tests.provider_suite import Account, ProviderSuite, zone_file_texts
from tests.publishing import ZONE, account, manual_clock, sandbox


class TestOvh(ProviderSuite):
    """The sandbox through the real `ovh` library."""

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        """Return an account whose zone is edited through the API and read from the sandbox itself."""
        with sandbox() as running:
            zone = running.zone(ZONE)

            def look(name: str) -> list[str]:
                return [r.target for r in zone.edited if f"{r.sub_domain}.{ZONE}" == name]

            yield Account(account(running), ZONE, look)


class TestZoneFile(ProviderSuite):
    """A zone file, read by dnspython."""

    @pytest.fixture
    def account(self, tmp_path: Path) -> Account:
        """Return a file with an SOA, replaced atomically for each change."""
        path = tmp_path / f"{ZONE}.zone"
        path.write_text(f"$ORIGIN {ZONE}.\n{name_servers('127.0.0.1')}")

        def look(name: str) -> list[str]:
            return zone_file_texts(path, ZONE, name)

        return Account(ZoneFileProvider(path, manual_clock()), ZONE, look)
