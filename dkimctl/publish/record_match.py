"""Compare an existing record with the wanted key record."""

import re
from enum import StrEnum

from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import UnreadableRecord, parse_record

_DISTINCTIVE = 64  # characters of base64 after which two RSA keys differ: the DER header alone fills 44
_NOISE = re.compile(r'[\s"\\]')  # added by control panels and by pasting; no key contains these characters


class RecordMatch(StrEnum):
    """The relation of an existing record to the wanted one."""

    SAME = "the same record"
    OTHER_FORM = "the same key, written differently"
    TRUNCATED = "the same key, truncated"
    FOREIGN = "something else"


def match_record(text: str, wanted: KeyRecord) -> RecordMatch:
    """Compare a record's text with the wanted record: tag by tag, `p=` byte for byte."""
    found = parse_record(text)
    if isinstance(found, KeyRecord) and sorted(found.tags) == sorted(wanted.tags):
        return RecordMatch.SAME
    key = wanted.get("p")
    value = key_value(text)
    if not key or not value:
        return RecordMatch.FOREIGN  # a revoked record is never taken for an earlier form of a live one
    if value == key:
        return RecordMatch.OTHER_FORM
    if len(value) >= _DISTINCTIVE and key.startswith(value.rstrip("=")):
        return RecordMatch.TRUNCATED
    return RecordMatch.FOREIGN


def key_value(text: str) -> str:
    """Return the `p=` value of a key record without the quotes, backslashes and spaces that panels add."""
    found = parse_record(_NOISE.sub("", text))
    if isinstance(found, UnreadableRecord):
        return ""
    return found.get("p")
