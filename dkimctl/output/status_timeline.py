"""The life of a domain's keys for people: what happened, today, and what is planned."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from dkimctl.lifecycle.history import Event, KeyLife
from dkimctl.output.layout import GAP, Block, Table, Tone

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
    for life in lives:
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


def _minute(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
