"""Parsing of key records: RFC 6376 §3.6.1 (its tags), and §3.2 for the form."""

import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from dkimctl.record.model import KeyRecord
from dkimctl.record.taglist import SPACE, TagList, parse_tags, shown

_MOST_FAULTS = 10  # mistakes of one record that are reported
_ODD_OCTET = re.compile(r"[^\x21-\x7e \t\r\n]")  # neither VALCHAR nor white space: RFC 6376 §3.2
_VERSION = re.compile(rf"[{SPACE}\"'(]*(?:TXT[{SPACE}]+)?v[{SPACE}]*[=:][{SPACE}\"']*([a-z]+)", re.IGNORECASE)
_KEY = re.compile(rf"(^|[;,{SPACE}\"'])p[{SPACE}]*=", re.IGNORECASE)


class RecordFault(StrEnum):
    """The reason why a text is not a key record."""

    NOT_DKIM = "not a DKIM key record"
    MALFORMED = "not a list of tag=value"
    ODD_OCTET = "an octet that is not allowed in a record"
    DUPLICATE_TAG = "a tag that occurs twice"
    VERSION = "a version that is not DKIM1"
    NO_KEY = "no p= tag"


class UnreadableRecord(NamedTuple):
    """A text that is not a usable key record: another kind of record, or a key record with a mistake in its form."""

    fault: RecordFault
    why: str
    """The mistake, in words for people."""
    tags: tuple[tuple[str, str], ...] = ()
    """The tags that could be parsed."""
    others: tuple[tuple[RecordFault, str], ...] = ()
    """Further mistakes, each with its words."""


def parse_record(text: str) -> KeyRecord | UnreadableRecord:
    """Return the record in the joined strings of one TXT record, octets above 127 as any character above 127.

    Unknown tags are kept, in their order; the last `;` may be left out; white space around names and values is dropped.
    A `v=` that is not the first tag is accepted, since verifiers accept it (RFC 6376 §3.6.1 forbids it): the judge
    reports it.
    """
    found = parse_tags(text)
    faults = [*_faults(text, found)]
    if not faults:
        return KeyRecord(found.tags)
    first, why = faults[0]
    if not _is_meant_as_key(text):
        return UnreadableRecord(RecordFault.NOT_DKIM, why, found.tags)
    return UnreadableRecord(first, why, found.tags, tuple(faults[1:_MOST_FAULTS]))


def _faults(text: str, found: TagList) -> Iterator[tuple[RecordFault, str]]:
    """Yield every mistake in the form of a record, the gravest first."""
    for problem in found.problems[:_MOST_FAULTS]:
        yield RecordFault.DUPLICATE_TAG if problem.is_repeated else RecordFault.MALFORMED, problem.why
    odd = _ODD_OCTET.search(text)
    if odd:
        what = f"octet {ord(odd[0]):#04x} at position {odd.start() + 1}{_character(text[odd.start() :])}"
        yield RecordFault.ODD_OCTET, what
    version = found.get("v", "DKIM1")
    if version != "DKIM1":
        hint = ": a semicolon is missing after DKIM1" if re.match(rf"DKIM1[{SPACE}]", version) else ""
        yield RecordFault.VERSION, f"v={shown(version)} is not DKIM1{hint}"
    if "p" not in found:
        yield RecordFault.NO_KEY, _no_key(found)


def _no_key(found: TagList) -> str:
    if "P" in found:
        return "it has no p= tag: P= is not p=, tag names are case-sensitive"
    for name, value in found.tags:
        if name != "v" and _KEY.search(value):
            return f"it has no p= tag: a semicolon is missing before p= in {shown(f'{name}={value}')}"
    return "it has no p= tag" if found.tags else "it is empty"


def _is_meant_as_key(text: str) -> bool:
    """Return False for what was meant as another kind of record: SPF, DMARC, a token."""
    version = _VERSION.match(text)
    return version[1].lower().startswith("dkim") if version else _KEY.search(text) is not None


def _character(text: str) -> str:
    """Return the name of the UTF-8 character that begins here, for octets as Latin-1; empty when none does.

    Word processors and web pages put in curly quotes and no-break spaces, which look like what was meant.
    """
    try:
        first = text[:4].encode("latin-1").decode("utf-8", "ignore")[0]
        return f" ({unicodedata.name(first)}, U+{ord(first):04X})" if ord(first) > 0x7F else ""
    except (UnicodeError, ValueError, IndexError):
        return ""
