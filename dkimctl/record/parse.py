"""Reading a key record as RFC 6376 §3.2 (tag-list) and §3.6.1 (its tags) say."""

import re
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.record.model import KeyRecord

_FWS = r"[ \t\r\n]*"
_TAG = re.compile(rf"{_FWS}([A-Za-z][A-Za-z0-9_]*){_FWS}={_FWS}(.*?){_FWS}", re.DOTALL)


class RecordFault(StrEnum):
    """Why a text is no key record."""

    NOT_DKIM = "not a DKIM key record"
    BROKEN = "a broken DKIM key record"


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A text that is no usable key record: something else, or a DKIM record with a mistake in its form."""

    fault: RecordFault
    why: str


def parse_record(text: str) -> KeyRecord | UnreadableRecord:
    """The record in the joined strings of one TXT record. Unknown tags are kept; the last `;` may be left out."""
    tags: list[tuple[str, str]] = []
    specs = text.split(";")
    if specs and not specs[-1].strip():
        specs.pop()
    for spec in specs:
        match = _TAG.fullmatch(spec)
        if match is None:
            return _unreadable(text, f"{spec.strip()[:40]!r} is not of the form tag=value")
        if match[1] in dict(tags):
            return _unreadable(text, f"the tag {match[1]}= stands twice (RFC 6376 §3.2)")
        tags.append((match[1], match[2]))
    return _checked(KeyRecord(tuple(tags)), text)


def _checked(record: KeyRecord, text: str) -> KeyRecord | UnreadableRecord:
    names = [name for name, _ in record.tags]
    if "v" in names and (names[0] != "v" or record.get("v") != "DKIM1"):
        # RFC 6376 §3.6.1: v=, if present, must come first and be exactly DKIM1
        return _unreadable(text, "v= must be the first tag and be exactly DKIM1")
    if "p" not in names:
        return _unreadable(text, "it has no p= tag")
    return record


def _unreadable(text: str, why: str) -> UnreadableRecord:
    looks_like_dkim = re.match(rf"{_FWS}v{_FWS}={_FWS}DKIM", text, re.IGNORECASE) or re.search(r"(^|;)\s*p\s*=", text)
    return UnreadableRecord(RecordFault.BROKEN if looks_like_dkim else RecordFault.NOT_DKIM, why)
