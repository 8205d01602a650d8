"""Edit the text of a zone's files: only the affected entries change, every other byte stays."""

from collections.abc import Iterator, Sequence
from datetime import date

from dkimctl.errors import Refused, Unavailable
from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.providers.zonefile.zonetext import Placed, ZoneText
from dkimctl.record.presentation import character_strings, quoted

Edit = tuple[int, int, str]
"""Start, end, and the replacement text."""


def records_at(zone: ZoneText, name: str) -> tuple[ProviderRecord, ...]:
    """Return the TXT and CNAME records at a name. Their id is their index among the zone's records."""
    return tuple(
        ProviderRecord(name, placed.type, placed.target or placed.text, placed.ttl or 0, str(number))
        for number, placed in enumerate(zone.records)
        if placed.owner == name and placed.type in ("TXT", "CNAME")
    )


def changed_texts(zone: ZoneText, changes: Sequence[Change], today: date) -> dict[str, str]:
    """Return path → new text of each file that changes, the one with the serial first.

    A record changes in its own file; a new one is added to the file with other records of its name, else to the zone
    file itself. Raises Unavailable when a record has moved, Refused when its file is included more than once.
    """
    edits: dict[str, list[Edit]] = {zone.soa.path: [_next_serial(zone.soa, today)]}
    deleted: set[int] = set()
    added: dict[str, str] = {}
    for change in changes:
        match change:
            case Create(record):
                path = _file_for(zone, record)
                newline = _newline(zone.texts[path])
                line = f"{record.name}.\t{_record_text(record, newline)}{newline}"
                added[path] = added.get(path, "") + line
            case Replace(before, after):
                placed = zone.records[_index(zone, before)]
                text = _record_text(after, _newline(zone.texts[placed.path]))
                edits.setdefault(placed.path, []).append((placed.header, placed.entry.body_end, text))
            case Delete(record):
                deleted.add(_index(zone, record))
    for path, edit in _deletions(zone, deleted):
        edits.setdefault(path, []).append(edit)
    return {path: _with(zone.texts[path], edits.get(path, ()), added.get(path, "")) for path in {**edits, **added}}


def _with(before: str, edits: Sequence[Edit], added: str) -> str:
    text = _edited(before, edits)
    gap = _newline(before) if added and text and not text.endswith("\n") else ""
    return text + gap + added


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _file_for(zone: ZoneText, record: ProviderRecord) -> str:
    """Return the path of the file to which a new record is added."""
    paths = [zone.records[int(found.id)].path for found in records_at(zone, record.name)]
    return next((path for path in paths if path not in zone.shared), zone.path)


def _index(zone: ZoneText, record: ProviderRecord) -> int:
    """Return the index of a record, and refuse one that must not be changed."""
    if record not in records_at(zone, record.name):
        raise Unavailable(f"the zone file of {zone.zone} was changed meanwhile", hint="run the same command again")
    _refuse_shared(zone, zone.records[int(record.id)])
    return int(record.id)


def _refuse_shared(zone: ZoneText, placed: Placed) -> None:
    if placed.path in zone.shared:
        raise Refused(
            f"{placed.path} is included more than once, so a change in it would change other names as well",
            hint=f"remove the record of {placed.owner} from it by hand",
        )


def _record_text(record: ProviderRecord, newline: str) -> str:
    """Format TTL, class, type and data: a short text on one line, else in parentheses with a line for each string."""
    strings = [quoted(part) for part in character_strings(record.text)]
    ttl = f"{record.ttl}\t" if record.ttl else ""
    data = strings[0] if len(strings) == 1 else f"( {f'{newline}{chr(9)}'.join(strings)} )"
    return f"{ttl}IN\tTXT\t{data}"


def _deletions(zone: ZoneText, deleted: set[int]) -> Iterator[tuple[str, Edit]]:
    """Return the edits that remove records; the next entry that inherited its owner from one gets it written out."""
    named: set[tuple[str, int]] = set()
    for number, placed in enumerate(zone.records):
        entry = placed.entry
        if number in deleted:
            yield placed.path, (entry.start, entry.end, "")
        elif placed.named_by in deleted and (placed.path, placed.named_by) not in named:
            _refuse_shared(zone, placed)
            yield placed.path, (entry.start, placed.header, f"{placed.owner}.\t")
            named.add((placed.path, placed.named_by))  # the following entries inherit it from this one


def _next_serial(soa: Placed, today: date) -> Edit:
    token = soa.data[2]
    return (token.start, token.end, str(next_serial(int(token.value), today)))


def next_serial(serial: int, today: date) -> int:
    """Return the next serial: YYYYMMDDnn with today's date where that form is used, else plus one (RFC 1982 §3.1)."""
    following = (serial + 1) % 2**32 or 1
    is_dated = 1990 <= serial // 10**6 <= 2099 and 1 <= serial // 10**4 % 100 <= 12 and 1 <= serial // 100 % 100 <= 31
    return max(following, int(f"{today:%Y%m%d}00")) if is_dated else following


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text
