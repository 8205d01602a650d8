"""What the tests of a relay share: change sets as a control host would make them, sealed by reversing the text."""

from datetime import UTC, datetime

from dkimctl.fleet.changes import ChangeSet, FleetKey
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import Phase, Tags, new_metadata
from dkimctl.keys.pair import KeyPair
from dkimctl.record.model import record_for
from dkimctl.record.text import genkey_text
from tests.rendering import pair

FLEET = "7d3a7b1e-0000-4000-8000-000000000000"
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def fleet_key(
    domain: str,
    selector: str,
    phase: Phase = Phase.ACTIVE,
    *,
    generation: int = 1,
    key_pair: KeyPair | None = None,
    sealed: bool = True,
) -> FleetKey:
    """A key as a fleet's database gives it."""
    made = key_pair or pair()
    metadata = new_metadata(made.algorithm, made.bits, Tags(), NOW).with_public(made.public, made.private_pem)
    record = genkey_text(selector, domain, record_for(made.public, made.algorithm, Tags()))
    return FleetKey(
        domain,
        selector,
        selector,
        identity_of(made.public.base64),
        metadata.in_phase(phase, NOW),
        record,
        made.private_pem[::-1] if sealed else None,
        1,
        generation,
    )


def open_key(key: FleetKey) -> bytes:
    """Open what `fleet_key` has sealed."""
    assert key.sealed is not None
    return key.sealed[::-1]


def changes(*keys: FleetKey, since: int = 0, generation: int = 1) -> ChangeSet:
    """A change set with these keys."""
    return ChangeSet(FLEET, since, generation, tuple(sorted(keys, key=lambda key: (key.domain, key.stem))))
