"""The life of a domain's keys for people: what happened, today, and what is planned."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.history import Event, KeyLife
from dkimctl.lifecycle.notes import at_text
from dkimctl.output.layout import GAP, Block, Table, Tone

EARLIEST = 540 * 86400
"""Seconds for which a purged key is shown to people."""
_TODAY = "today"
_WORDS = {
    Event.CREATED: "created",
    Event.PUBLISHED: "published",
    Event.PROVEN: "proven at every name server",
    Event.ACTIVE: "signs",
    Event.RETIRED: "signs no more",
    Event.REVOKED: "record revoked (p=)",
    Event.REMOVED: "record removed",
    Event.PURGED: "private key removed",
}


def timeline_blocks(lives: Iterable[KeyLife], now: datetime) -> Iterator[Block]:
    """Yield a table for each domain, a row for each event, with a row of today between past and planned."""
    by_domain: dict[str, list[KeyLife]] = {}
    for life in shown(lives, int(now.timestamp())):
        by_domain.setdefault(life.key.domain, []).append(life)
    for domain, some in by_domain.items():
        rows = [(now.timestamp(), (_minute(now.timestamp()), "", _TODAY))]
        for life in some:
            for moment in life.moments:
                planned = "planned: " if moment.is_planned else ""
                text = f"{planned}{_WORDS[moment.event]}"
                rows.append((moment.at, (_minute(moment.at), life.key.selector, text)))
        rows.sort(key=lambda row: row[0])
        yield GAP
        yield Table(("WHEN (UTC)", "SELECTOR", domain), [row for _, row in rows], {_TODAY: Tone.HEADING})


def shown(lives: Iterable[KeyLife], now: int) -> Iterator[KeyLife]:
    """Yield the lives without those that ended long ago."""
    for life in lives:
        if life.key.phase is not Phase.PURGED or life.moments[-1].at > now - EARLIEST:
            yield life


@dataclass(frozen=True, slots=True)
class EventValue:
    """One event in the life of a key."""

    event: Event
    at: str
    """RFC 3339, UTC."""
    is_planned: bool


@dataclass(frozen=True, slots=True)
class LifeValue:
    """The life of one key, also of one that is gone, in the order of time."""

    domain: str
    selector: str
    phase: Phase
    events: tuple[EventValue, ...]


def timeline_document(lives: Iterable[KeyLife]) -> tuple[LifeValue, ...]:
    """Return the lives for JSON: of each key its events, past and planned."""
    return tuple(LifeValue(life.key.domain, life.key.selector, life.key.phase, _events(life)) for life in lives)


def _events(life: KeyLife) -> tuple[EventValue, ...]:
    return tuple(EventValue(moment.event, at_text(moment.at), moment.is_planned) for moment in life.moments)


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
