"""Changes to a zone file's text: the entries that are meant change, every other byte stays."""

from collections.abc import Iterator, Sequence
from datetime import date

from dkimctl.errors import Unavailable
from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.providers.zonefile.parse import Placed, ZoneText
from dkimctl.record.text import character_strings, quoted

Edit = tuple[int, int, str]
"""From, to, and what stands there afterwards."""


def records_at(zone: ZoneText, name: str) -> tuple[ProviderRecord, ...]:
    """The TXT and CNAME records at a name. Their id is their place among the records of the file."""
    return tuple(
        ProviderRecord(name, placed.type, placed.target or placed.text, placed.ttl or 0, str(number))
        for number, placed in enumerate(zone.records)
        if placed.owner == name and placed.type in ("TXT", "CNAME")
    )


def changed_text(zone: ZoneText, changes: Sequence[Change], today: date) -> str:
    """The file's text after these changes, with the next serial. Raises Unavailable when a record has moved."""
    edits: list[Edit] = [_next_serial(zone.soa, today)]
    deleted: set[int] = set()
    added = ""
    newline = "\r\n" if "\r\n" in zone.text else "\n"
    for change in changes:
        match change:
            case Create(record):
                added += f"{record.name}.\t{_record_text(record, newline)}{newline}"
            case Replace(before, after):
                placed = zone.records[_place(zone, before)]
                edits.append((placed.header, placed.entry.body_end, _record_text(after, newline)))
            case Delete(record):
                deleted.add(_place(zone, record))
    edits += _deletions(zone, deleted)
    text = _edited(zone.text, edits)
    gap = newline if added and text and not text.endswith("\n") else ""
    return text + gap + added


def _place(zone: ZoneText, record: ProviderRecord) -> int:
    if record not in records_at(zone, record.name):
        raise Unavailable(
            f"the zone file of {zone.zone} was changed by somebody else meanwhile", hint="run the same command again"
        )
    return int(record.id)


def _record_text(record: ProviderRecord, newline: str) -> str:
    """TTL, class, type and data: on one line when it is short, else in parentheses, a line for each string."""
    strings = [quoted(part) for part in character_strings(record.text)]
    ttl = f"{record.ttl}\t" if record.ttl else ""
    data = strings[0] if len(strings) == 1 else f"( {f'{newline}{chr(9)}'.join(strings)} )"
    return f"{ttl}IN\tTXT\t{data}"


def _deletions(zone: ZoneText, deleted: set[int]) -> Iterator[Edit]:
    """The lines to take out; an entry that had its owner from one of them gets it back in words."""
    orphaned = False
    for number, placed in enumerate(zone.records):
        entry = placed.entry
        if number in deleted:
            yield (entry.start, entry.end, "")
            orphaned = orphaned or entry.has_owner
        elif entry.has_owner:
            orphaned = False
        elif orphaned:
            yield (entry.start, placed.header, f"{placed.owner}.\t")
            orphaned = False


def _next_serial(soa: Placed, today: date) -> Edit:
    token = soa.data[2]
    return (token.start, token.end, str(next_serial(int(token.value), today)))


def next_serial(serial: int, today: date) -> int:
    """YYYYMMDDnn stays in that form and takes today's date; any other number grows by one (RFC 1982 §3.1)."""
    following = (serial + 1) % 2**32 or 1
    is_dated = 1990 <= serial // 10**6 <= 2099 and 1 <= serial // 10**4 % 100 <= 12 and 1 <= serial // 100 % 100 <= 31
    return max(following, int(f"{today:%Y%m%d}00")) if is_dated else following


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for start, end, instead in sorted(edits, reverse=True):
        text = text[:start] + instead + text[end:]
    return text
