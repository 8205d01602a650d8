"""The facts about a key, as they are kept in its metadata under `facts`.

Instants are written in RFC 3339. What lies there belongs to the daemon's user: it is read as untrusted input.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Metadata
from dkimctl.lifecycle.facts import KeyOnRelay, Leak, RecordFacts

HERE = "this host"
"""The relay's name where there is only one."""
_RECORD_TIMES = ("written", "seen", "confirmed", "last_seen", "missing", "revoked", "gone", "removed", "absent")
_SPANS = ("ttl", "negative_ttl")
_RELAY_TIMES = ("tried", "since", "proven", "failed", "left")
_MOST_PINNED = 10_000
_NOTHING_SEEN = RecordFacts()


def instant(moment: datetime) -> int:
    """Return seconds since 1970-01-01 UTC."""
    return int(moment.timestamp())


def read_record(metadata: Metadata, now: int) -> RecordFacts:
    """Return what was noted of the record. Raises CheckFailed when it is damaged."""
    noted = _mapping(metadata.facts.get("record"))
    if not noted:
        return _NOTHING_SEEN
    spans = {name: _span(noted[name]) for name in _SPANS if name in noted}
    return RecordFacts(**_times(noted, _RECORD_TIMES, now), **spans)


def read_on_relay(metadata: Metadata, now: int, *, is_held: bool = False, is_used: bool = False) -> KeyOnRelay:
    """Return what was noted of the key on this host. Raises CheckFailed when it is damaged."""
    noted = _mapping(metadata.facts.get("signing"))
    if not noted:
        return KeyOnRelay(is_held, is_used)
    pinned = noted.get("pinned", [])
    if not isinstance(pinned, list) or not all(isinstance(one, str) for one in pinned):
        raise _damaged("pinned")
    return KeyOnRelay(is_held, is_used, pinned=tuple(pinned[:_MOST_PINNED]), **_times(noted, _RELAY_TIMES, now))


def read_leak(metadata: Metadata) -> Leak:
    """Return what is known to be in the hands of others. Raises CheckFailed when it is damaged."""
    noted = metadata.facts.get("leak", "")
    try:
        return Leak(str(noted)) if noted else Leak.NONE
    except ValueError as error:
        raise _damaged("leak") from error


def with_record(metadata: Metadata, record: RecordFacts) -> Metadata:
    """Return a copy with these facts about the record."""
    times = {name: at_text(getattr(record, name)) for name in _RECORD_TIMES if getattr(record, name) is not None}
    spans = {name: getattr(record, name) for name in _SPANS if getattr(record, name)}
    return metadata._replace(facts={**metadata.facts, "record": times | spans})


def with_on_relay(metadata: Metadata, facts: KeyOnRelay) -> Metadata:
    """Return a copy with these facts about the key on this host."""
    noted: dict[str, Any] = {
        name: at_text(getattr(facts, name)) for name in _RELAY_TIMES if getattr(facts, name) is not None
    }
    if facts.pinned:
        noted["pinned"] = list(facts.pinned)
    return metadata._replace(facts={**metadata.facts, "signing": noted})


def with_leak(metadata: Metadata, leak: Leak) -> Metadata:
    """Return a copy that says what is leaked."""
    return metadata._replace(facts={**metadata.facts, "leak": leak.value})


def not_ahead(metadata: Metadata, now: int) -> Metadata:
    """Return a copy in which no fact is later than now, nor the key made later. Raises CheckFailed when damaged."""
    if "record" in metadata.facts:
        metadata = with_record(metadata, read_record(metadata, now))
    if "signing" in metadata.facts:
        metadata = with_on_relay(metadata, read_on_relay(metadata, now))
    with suppress(ValueError, OverflowError):  # a moment that is none counts as now, and is left for people to see
        if instant(datetime.fromisoformat(metadata.created)) > now:
            return metadata._replace(created=at_text(now))
    return metadata


def at_text(at: int) -> str:
    """Return an instant as in metadata and JSON: RFC 3339, UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat()[:19] + "Z"  # there may be a million keys


def _times(noted: Mapping[str, object], names: tuple[str, ...], now: int) -> dict[str, Any]:
    """Return those of these instants that were noted: few of them are, and there may be a million keys."""
    return {name: _instant(text, now) for name, text in noted.items() if text is not None and name in names}


def _instant(text: object, now: int) -> int:
    """Return an instant; one in the future, noted under a wrong clock, counts from now."""
    try:
        return min(instant(datetime.fromisoformat(str(text))), now)
    except (ValueError, OverflowError) as error:
        raise _damaged(str(text)) from error


def _span(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise _damaged(str(value))
    return value


def _mapping(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _damaged(str(value))
    return value


def _damaged(what: str) -> CheckFailed:
    from dkimctl.names import printable

    return CheckFailed(
        f"the facts in the key's metadata are damaged: {printable(what)}",
        hint="restore the metadata from a backup, or remove facts from it: everything is then proven again",
    )
