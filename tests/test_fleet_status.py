"""A fleet to look at: `status` on its control host has the relays, and what domains are due, wait or fail."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dkimctl.fleet.on_relays import FleetRelays
from dkimctl.fleet.overview import FleetStatus, Reason, RelayStatus, look
from dkimctl.fleet.queue import Worker
from dkimctl.lifecycle.status import Status
from dkimctl.output.status_html import html_page
from tests.conftest import DkimctlInside, needs
from tests.relay_fleet import RelayFleet, RelayTree
from tests.test_fleet_control import fleet as fleet
from tests.test_fleet_control import relay as relay
from tests.test_status_life import browse

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def test_domains_are_counted_by_what_they_wait_for(fleet: RelayFleet) -> None:
    """What a worker gives back says why; the most frequent reasons come first, and all others are one."""
    domains = [f"d{number}.example" for number in range(60)]
    fleet.database.run("INSERT INTO dkimctl.domain (name) SELECT unnest(%s::text[])", (domains,))
    worker, later = Worker(fleet.database), NOW + timedelta(days=9)
    for number, claim in enumerate(worker.claim_named(domains)):
        waits = f"reason {number}" if number < 30 else "caches"
        worker.release(claim, later, NOW, "no answer" if number < 2 else "", waits)
    found = look(fleet.database)
    assert found.failed == (Reason("no answer", 2),)
    assert found.waiting[0] == Reason("caches", 30) and found.waiting[-1] == Reason("other reasons", 11)
    assert len(found.waiting) == 21


def test_status_has_the_relays(dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree) -> None:
    """In every form: a silent relay is an error of the status, and shown with the way on; no text of one is markup."""
    right = dkimctl_inside("status", "--json").json
    assert [one["name"] for one in right["fleet"]["relays"]] == ["mx1"]
    assert "DKIM963" not in {one["code"] for one in right["status"]["findings"]}
    fleet.database.run("UPDATE dkimctl.relay SET heartbeat = '2026-11-23T10:00:00Z', daemon = '<b>', problem = 'a&b'")
    shown = dkimctl_inside("status")
    assert shown.code == 1 and "mx1" in shown.out and "dkimctl fleet drain mx1" in shown.out
    page = dkimctl_inside("status", "--format", "html")
    assert "<h2>Relays</h2>" in page.out and "&lt;b&gt;" in page.out and "<b>" not in page.out and "a&amp;b" in page.out
    assert "silent since 2026-11-23T10:00:00Z" in page.out
    nagios = dkimctl_inside("status", "--format", "nagios")
    assert nagios.code == 2 and "DKIM963" in nagios.out
    metrics = dkimctl_inside("status", "--format", "prometheus").out
    assert 'dkimctl_fleet_relay_alive{relay="mx1"} 0\n' in metrics and "dkimctl_fleet_domains_waiting 0\n" in metrics
    assert "fleet" not in dkimctl_inside("status", "example.com", "--json").json


def test_status_asks_once_for_the_facts_of_a_domain(
    dkimctl_inside: DkimctlInside, fleet: RelayFleet, relay: RelayTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its phase and for its next step together: there may be 100,000 domains in the database."""
    asked: list[str] = []
    ask = FleetRelays.facts_of
    monkeypatch.setattr(FleetRelays, "facts_of", lambda self, domain: asked.append(domain) or ask(self, domain))
    keys = dkimctl_inside("status", "--json").json["status"]["keys"]
    assert asked == sorted({key["domain"] for key in keys})


def page() -> str:
    """A page with relays in every state."""
    relays = [
        RelayStatus(f"mx{number}", state, "lusab-babad", "host", 40, number, heard, bool(heard), heard, said, wrong, 0)
        for number, (state, heard, said, wrong) in enumerate(
            [
                ("approved", "2026-11-23T09:59:00Z", "reloaded", ""),
                ("approved", None, "reloaded", "the daemon refuses its configuration: " + "a long word " * 9),
                ("drained", "2026-11-20T10:00:00Z", "reloaded", ""),
                ("pending", None, "", ""),
            ]
        )
    ]
    waiting = (Reason("mail signed with the key dk202605 that is under way", 120),)
    found = FleetStatus("id", 42, 1000, 7, (Reason("no answer", 2),), waiting, 2000, tuple(relays))
    return html_page(Status((), (), ()), [], NOW, found)


@needs("chromium")
def test_the_relays_in_a_browser(tmp_path: Path) -> None:
    """The part is laid out in any width, in light and dark, and the filter counts domains only."""
    shown = browse(tmp_path, page(), "--dump-dom")
    assert shown.count("<tr>") == 6 and "0 of 0" not in shown
    for name, scheme, width in (("light", 1, 1000), ("dark", 0, 1000), ("narrow", 1, 420)):
        options = (f"--screenshot={tmp_path}/{name}.png", f"--window-size={width},700")
        browse(tmp_path, page(), *options, f"--blink-settings=preferredColorScheme={scheme}")
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
