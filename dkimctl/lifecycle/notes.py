"""The facts about a key, as they are kept in its metadata under `facts`.

Instants are written in RFC 3339. What lies there belongs to the daemon's user: it is read as untrusted input.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from dkimctl.errors import CheckFailed
from dkimctl.keys.metadata import Metadata
from dkimctl.lifecycle.facts import KeyOnRelay, Leak, RecordFacts

_RECORD_TIMES = ("written", "seen", "confirmed", "last_seen", "missing", "revoked", "gone", "removed", "absent")
_SPANS = ("ttl", "negative_ttl")
_RELAY_TIMES = ("tried", "since", "proven", "failed", "left")
_IN_RECORD, _ON_RELAY = frozenset(_RECORD_TIMES), frozenset(_RELAY_TIMES)
_MOST_PINNED = 10_000
_EPOCH = datetime(1970, 1, 1)  # in UTC, as all that is written
_NOTHING_SEEN = RecordFacts()


def instant(moment: datetime) -> int:
    """Return seconds since 1970-01-01 UTC."""
    return int(moment.timestamp())


def read_record(metadata: Metadata, now: int) -> RecordFacts:
    """Return what was noted of the record. Raises CheckFailed when it is damaged."""
    found = record_notes(metadata, now)
    return RecordFacts(**found) if found else _NOTHING_SEEN


def record_notes(metadata: Metadata, now: int) -> dict[str, Any]:
    """Return what was noted of the record, by the names of `RecordFacts`. Raises as `read_record`."""
    noted = _mapping(metadata.facts.get("record"))
    found = _times(noted, _IN_RECORD, now)
    for name in _SPANS:
        if name in noted:
            found[name] = _span(noted[name])
    return found


def relay_notes(metadata: Metadata, now: int) -> dict[str, Any]:
    """Return what was noted of the key on this host, by the names of `KeyOnRelay`. Raises as `read_on_relay`."""
    return _times(_mapping(metadata.facts.get("signing")), _ON_RELAY, now)


def read_on_relay(metadata: Metadata, now: int, *, is_held: bool = False, is_used: bool = False) -> KeyOnRelay:
    """Return what was noted of the key on this host. Raises CheckFailed when it is damaged."""
    noted = _mapping(metadata.facts.get("signing"))
    if not noted:
        return KeyOnRelay(is_held, is_used)
    pinned = noted.get("pinned", [])
    if not isinstance(pinned, list) or not all(isinstance(one, str) for one in pinned):
        raise _damaged("pinned")
    return KeyOnRelay(is_held, is_used, pinned=tuple(pinned[:_MOST_PINNED]), **_times(noted, _ON_RELAY, now))


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


def with_leak(metadata: Metadata, leak: Leak, now: int) -> Metadata:
    """Return a copy that says what is leaked, and since when that is known."""
    since = metadata.facts.get("leaked", at_text(now))
    return metadata._replace(facts={**metadata.facts, "leak": leak.value, "leaked": since})


def leaked_since(metadata: Metadata) -> str:
    """Return when the leak of a key was declared; empty where that was not noted."""
    noted = metadata.facts.get("leaked", "")
    return noted if isinstance(noted, str) else ""


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
    return (_EPOCH + timedelta(seconds=at)).isoformat() + "Z"  # three times as fast as with an offset to be cut off


def _times(noted: Mapping[str, object], names: frozenset[str], now: int) -> dict[str, Any]:
    """Return those of these instants that were noted: few of them are, and there may be a million keys."""
    found: dict[str, Any] = {}
    for name, text in noted.items():
        if text is None or name not in names:
            continue
        try:
            at = int(datetime.fromisoformat(text).timestamp())  # type: ignore[arg-type]  # TypeError
        except (TypeError, ValueError, OverflowError) as error:
            raise _damaged(str(text)) from error
        found[name] = at if at < now else now  # one in the future, noted under a wrong clock, counts from now
    return found


def _span(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise _damaged(str(value))
    return value


def _mapping(value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):  # as JSON
        raise _damaged(str(value))
    return value


def _damaged(what: str) -> CheckFailed:
    from dkimctl.names import printable

    return CheckFailed(
        f"the facts in the key's metadata are damaged: {printable(what)}",
        hint="restore the metadata from a backup, or remove facts from it: everything is then proven again",
    )
