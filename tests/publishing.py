"""Helpers shared by the tests of providers and publishing: an account at the sandbox, key records, a manual clock."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import pytest

from dkimctl.clock import Clock
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, generate
from dkimctl.providers.ovh.credentials import Credentials
from dkimctl.providers.ovh.provider import OvhProvider
from dkimctl.publish.plan import Wanted
from dkimctl.publish.run_state import RunState
from dkimctl.record.model import KeyRecord, record_for
from dkimctl.sandbox import LoggedCall, Sandbox, Switches
from tests.clocks import ManualClock

ZONE = "domain.tld"
NAME = f"mail._domainkey.{ZONE}"


def manual_clock() -> ManualClock:
    """A clock that moves only when something sleeps on it."""
    return ManualClock(datetime(2026, 11, 23, 10, 0, tzinfo=UTC))


@contextmanager
def sandbox(*zones: str, on_call: Callable[[LoggedCall], None] | None = None, **switches: object) -> Iterator[Sandbox]:
    """A sandbox with these zones (default: domain.tld) and switches."""
    with Sandbox(zones or (ZONE,), Switches(**switches), on_call=on_call) as running:  # type: ignore[arg-type]
        yield running


def account(running: Sandbox, clock: Clock | None = None, *, patience: float = 10, **credentials: str) -> OvhProvider:
    """The provider for the sandbox's account; requests time out after `patience` seconds."""
    own = {name: running.environment()[f"OVH_{name.upper()}"] for name in ("application_key", "application_secret")}
    own["consumer_key"] = running.credentials.consumer_key
    if "client_id" in credentials:
        own = {}
    chosen = Credentials(running.api_url, **{**own, **credentials})
    return OvhProvider(chosen, clock or manual_clock(), timeout=(patience, patience))


@cache
def rsa_record(number: int = 0, bits: int = 2048) -> KeyRecord:
    """The record of an RSA key; each number is another key."""
    return record_for(generate(Algorithm.RSA, bits).public, "rsa", Tags())


@cache
def ed25519_record() -> KeyRecord:
    """The record of an Ed25519 key."""
    return record_for(generate(Algorithm.ED25519).public, "ed25519", Tags())


def invented_record(seed: int, length: int = 294) -> KeyRecord:
    """A record of the length of a 2048-bit key with arbitrary bytes: for tests that do not use the key."""
    data = b"".join(((seed + 1) * 7919 * (i + 1)).to_bytes(8, "big") for i in range(length // 8 + 1))
    return KeyRecord((("v", "DKIM1"), ("h", "sha256"), ("k", "rsa"), ("p", b64encode(data[:length]).decode())))


def on_progress(monkeypatch: pytest.MonkeyPatch, words: str, act: Callable[[], object]) -> None:
    """Call `act` as soon as `publish` reports progress with these words for the first time."""
    progress, acts = RunState.progress, [act]

    def progress_and_act(state: RunState, subject: str, text: str) -> None:
        progress(state, subject, text)
        if acts and words in text:
            acts.pop()()

    monkeypatch.setattr(RunState, "progress", progress_and_act)


def wanted(
    selector: str = "mail", domain: str = ZONE, record: KeyRecord | None = None, ttl: int | None = None
) -> Wanted:
    """A record that should be published."""
    return Wanted(domain, selector, f"{selector}._domainkey.{domain}", record or rsa_record(), ttl)


def records_at(running: Sandbox, name: str = "mail._domainkey", zone: str = ZONE) -> list[tuple[str, str]]:
    """Return type and target of the records in the account at a name relative to the zone."""
    return sorted((r.field_type, r.target) for r in running.zone(zone).edited if r.sub_domain == name)


def is_clean(running: Sandbox, zone: str = ZONE) -> bool:
    """Return whether the account's records are the ones served."""
    return sorted(map(str, running.zone(zone).edited)) == sorted(map(str, running.zone(zone).served))
