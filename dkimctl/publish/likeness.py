"""How a record that stands at the owner name relates to the one that should."""

import re
from enum import StrEnum

from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import UnreadableRecord, parse_record

_TELLING = 64  # characters of base64 after which two RSA keys differ: the DER header alone fills 44
_NOISE = re.compile(r'[\s"\\]')  # what panels and pasting add: no key contains it


class Likeness(StrEnum):
    """Whose record it is, and whether it is right."""

    SAME = "the same record"
    OTHER_FORM = "the same key, written differently"
    CUT_SHORT = "the same key, cut short"
    FOREIGN = "something else"


def likeness(text: str, wanted: KeyRecord) -> Likeness:
    """What a record's text is to the wanted record: compared by tags, `p=` byte for byte."""
    found = parse_record(text)
    if isinstance(found, KeyRecord) and sorted(found.tags) == sorted(wanted.tags):
        return Likeness.SAME
    key = wanted.get("p")
    value = key_value(text)
    if not key or not value:
        return Likeness.FOREIGN  # a revoked record is never mistaken for an earlier form of a living one
    if value == key:
        return Likeness.OTHER_FORM
    if len(value) >= _TELLING and key.startswith(value.rstrip("=")):
        return Likeness.CUT_SHORT
    return Likeness.FOREIGN


def key_value(text: str) -> str:
    """The `p=` value of a key record however it was mangled: quotes, backslashes and spaces are taken out."""
    found = parse_record(_NOISE.sub("", text))
    if isinstance(found, UnreadableRecord):
        return ""
    return found.get("p")
