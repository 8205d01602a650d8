"""Many names: few calls, a request rate that the API accepts, and no memory for finished names."""

import gc
import time
from collections import Counter
from pathlib import Path

import pytest

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.config.settings import Lookup, Settings
from dkimctl.keys.ahead import generator
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.metadata import Metadata, Tags
from dkimctl.keys.pair import Algorithm
from dkimctl.keys.store import Key, KeyName
from dkimctl.lifecycle.generation import KeyRequest, KeyStyle, generate_keys
from dkimctl.providers.base import ProviderRecord
from dkimctl.providers.limit import Pacer
from dkimctl.providers.ovh.records import records_in
from dkimctl.providers.ovh.rights import RULES
from dkimctl.publish.apply import ZoneResult, apply
from dkimctl.publish.plan import Wanted, plan
from dkimctl.publish.publication import Choices, Event, Publication
from dkimctl.publish.publish import publish_streaming
from dkimctl.record.model import KeyRecord
from dkimctl.sandbox import Fault, Sandbox
from tests.conftest import DkimctlInside
from tests.publishing import ZONE, account, invented_record, is_clean, manual_clock, sandbox, wanted

COUNT = 30


def _records() -> list[Wanted]:
    return [wanted(f"s{number}", record=invented_record(number)) for number in range(COUNT)]


def _publish(running: Sandbox, consumer_key: str = "") -> None:
    clock = manual_clock()
    key = consumer_key or running.credentials.consumer_key
    provider = account(running, clock, consumer_key=key)
    result = apply(provider, plan(provider, ZONE, _records()), clock=clock)
    assert not [name.error for name in result.names if name.error]


@pytest.mark.parametrize("export_dkim", ["whole", "split"])
def test_an_unchanged_zone_costs_a_handful_of_calls_however_many_records_it_has(export_dkim: str) -> None:
    """The zone's text and its status are read; nothing is written."""
    with sandbox(export_dkim=export_dkim) as running:
        _publish(running)
        running.clear_calls()
        _publish(running)
        assert len(running.calls) <= 4, [call.path for call in running.calls]
        assert {call.method for call in running.calls} == {"GET"}


def test_without_the_right_to_the_text_the_records_are_read_one_by_one() -> None:
    """That right is optional: the same result without it, with one refused call."""
    with sandbox() as running:
        rules = [(method, path.format(zone=ZONE)) for method, path in RULES if "export" not in path]
        key = running.credentials.issue(rules)
        _publish(running, consumer_key=key)
        running.clear_calls()
        _publish(running, consumer_key=key)
        assert [call.status for call in running.calls].count(403) == 1
        assert {call.method for call in running.calls} == {"GET"}
        assert len(running.calls) <= COUNT + 10


def test_many_records_among_many_others() -> None:
    """A zone with far more records than ours is not read record by record when its text may not be read."""
    with sandbox() as running:
        for number in range(5 * COUNT):
            running.zone(ZONE).add("TXT", f"other{number}", "text")
        key = running.credentials.issue([(m, p.format(zone=ZONE)) for m, p in RULES if "export" not in p])
        _publish(running, consumer_key=key)
        assert sum(record.field_type == "DKIM" for record in running.zone(ZONE).edited) == COUNT
        assert is_clean(running)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('a._domainkey    IN TXT    ( "v=DKIM1; " "p=QUJD" )', ("DKIM", "v=DKIM1; p=QUJD", 0)),
        ('a._domainkey 600 IN TXT "v=DKIM1; p=QUJD"', ("TXT", "v=DKIM1; p=QUJD", 600)),
        (f'A._Domainkey.{ZONE}.        IN TXT        "p=QUJD"', ("TXT", "p=QUJD", 0)),
        ("a._domainkey IN CNAME x.example.net.", None),
        ('a._domainkey IN TXT "p=QUJD"\n             IN TXT "v=spf1"', None),
        ('a._domainkey IN TXT (\n  "p=QUJD" )', None),
        ("a._domainkey IN TXT p=QUJD", None),
        ('b._domainkey IN TXT "p=QUJD"', None),
        ('b IN TXT "x\u2028a._domainkey IN TXT "p=QUJD"', None),
        ('$ORIGIN sub\na._domainkey IN TXT "p=QUJD"', None),
    ],
)
def test_a_glance_at_the_text_of_a_zone(line: str, found: tuple[str, str, int] | None) -> None:
    """A glance returns a single readable record; for anything else the records themselves are read."""
    name = f"a._domainkey.{ZONE}"
    text = f"$TTL 3600\n@\tIN SOA dns1.ovh.net. tech.ovh.net. (1 86400 3600 3600000 300)\n{line}\n"
    records = records_in(text, ZONE, {name})
    assert [(r.field_type, r.text, r.ttl) for r in records.get(name, ())] == ([found] if found else [])


def test_of_many_keys_only_the_names_are_kept(tmp_path: Path) -> None:
    """Keys, records and results are in memory only while their zone is in progress, however many zones there are."""
    zones = [f"z{number}.example" for number in range(220)]
    store = KeyDirectory(tmp_path)
    style = KeyStyle(generator(Algorithm.ED25519, 256), Tags())
    list(generate_keys([KeyRequest(zone, "s") for zone in zones], style, store, now=manual_clock().now()))
    kinds = (Key, Metadata, KeyRecord, Wanted, ProviderRecord, Publication, ZoneResult)
    alive: list[Counter[str]] = []

    def count(event: Event) -> None:
        ended.append(event)
        if len(ended) % 20 == 0:
            alive.append(Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, kinds)))
        ended[-1] = None

    ended: list[Event | None] = []
    with sandbox(*zones) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment().items():
            patch.setenv(name, value)
        settings = Settings(lookup=Lookup((running.environment()["DKIMCTL_NAMESERVERS"],), running.dns_address[1]))
        names = [KeyName(zone, "s") for zone in zones]
        choices = Choices(wait=False, rate=0)
        publish_streaming(settings, store, "ovh", names, choices, clock=SYSTEM_CLOCK, report=count)
        assert all(running.zone(zone).refreshes == 1 for zone in zones)
    assert len(ended) == len(zones)
    most = {name: max(counted[name] for counted in alive) for name in alive[0]}
    assert most["Publication"] <= 2
    assert max(most.values()) < 100, most


def test_no_second_holds_more_calls_than_the_rate() -> None:
    """The first calls go out at once, the others as the seconds pass."""
    clock = manual_clock()
    pacer = Pacer(clock, 20)
    times = []
    for _ in range(100):
        pacer.wait()
        times.append(clock.monotonic())
    assert times[19] == times[0]
    assert times[-1] - times[0] == pytest.approx(4)
    assert all(later - earlier >= 0.999 for earlier, later in zip(times, times[20:], strict=False))


def test_the_rate_is_halved_when_the_api_asks_and_recovers() -> None:
    """No call as long as the API asks to wait; then half the rate; after a while without 429 the full rate."""
    clock = manual_clock()
    pacer = Pacer(clock, 10)
    start = clock.monotonic()
    pacer.slow_down(5)
    for _ in range(21):
        pacer.wait()
    assert clock.monotonic() - start == pytest.approx(9)  # five held, then ten calls every two seconds
    clock.sleep(61)
    pacer.wait()
    start = clock.monotonic()
    for _ in range(20):
        pacer.wait()
    assert clock.monotonic() - start == pytest.approx(2, abs=0.1)


def test_a_retry_after_holds_every_thread() -> None:
    """One answer 429 stops all calls of the credential, not only its own."""
    clock = manual_clock()
    with sandbox() as running:
        running.faults.add(Fault("429", path="/domain/*/record", retry_after=7))
        provider = account(running, clock)
        start = clock.monotonic()
        plan(provider, ZONE, _records())
        assert clock.monotonic() - start >= 7


def test_the_rate_is_an_option(dkimctl_inside: DkimctlInside) -> None:
    """With `--rate 4` a run of more than eight calls takes at least a second."""
    with sandbox() as running:
        environment = running.environment()
        dkimctl_inside("genkey", ZONE, "-s", "a", "--algorithm", "ed25519", env=environment)
        started = time.monotonic()
        arguments = ("publish", "--provider", "ovh", "--no-wait", "--rate", "4")
        assert dkimctl_inside(*arguments, env=environment).code == 0
        assert time.monotonic() - started >= (len(running.calls) - 2) // 4


@pytest.mark.parametrize("told_by", ["configuration", "DNS"])
def test_zones_of_two_providers_are_not_mixed(dkimctl_inside: DkimctlInside, told_by: str) -> None:
    """Two credentials for one zone in one run: the second is refused, and both are named."""
    with sandbox() as running:
        config = dkimctl_inside.root / "etc/dkimctl/dkimctl.toml"
        config.parent.mkdir(parents=True)
        zone_file = dkimctl_inside.root / "db"
        zone_file.write_text(f"$ORIGIN {ZONE}.\n@ IN SOA ns1 host 1 3600 600 86400 300\n@ NS ns1\nns1 A 127.0.0.1\n")
        zone = f'zone = "{ZONE}"\n' if told_by == "configuration" else ""
        config.write_text(
            f'[domains."{ZONE}"]\nprovider = "ovh"\n{zone}'
            f'[domains."sub.{ZONE}"]\nprovider = "zonefile:/db"\n{zone}[providers.zonefile]\nreload = ["true"]\n'
        )
        for domain in (ZONE, f"sub.{ZONE}"):
            dkimctl_inside("genkey", domain, "-s", "a", "--algorithm", "ed25519", env=running.environment())
        run = dkimctl_inside("publish", "--timeout", "8", env=running.environment())
        assert run.code == 1
        assert f"{ZONE} would be changed with two credentials in one run: ovh and zonefile" in run.err
        assert "_domainkey" not in zone_file.read_text()
