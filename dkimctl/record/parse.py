"""Parsing of key records: RFC 6376 §3.6.1 (its tags), and §3.2 for the form."""

import re
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.record.model import KeyRecord
from dkimctl.record.taglist import SPACE, parse_tags, shown

_ODD_OCTET = re.compile(r"[^\x21-\x7e \t\r\n]")  # neither VALCHAR nor white space: RFC 6376 §3.2
_VERSION = re.compile(rf"[{SPACE}\"'(]*(?:TXT[{SPACE}]+)?v[{SPACE}]*[=:][{SPACE}\"']*([a-z]+)", re.IGNORECASE)
_KEY = re.compile(rf"(^|[;,{SPACE}\"'])p[{SPACE}]*=", re.IGNORECASE)


class RecordFault(StrEnum):
    """Why a text is no key record."""

    NOT_DKIM = "not a DKIM key record"
    MALFORMED = "not a list of tag=value"
    ODD_OCTET = "an octet that is not allowed in a record"
    DUPLICATE_TAG = "a tag that occurs twice"
    VERSION = "a version that is not DKIM1"
    NO_KEY = "no p= tag"


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A text that is no usable key record: something else, or a DKIM record with a mistake in its form."""

    fault: RecordFault
    why: str
    """The mistake, in words for people."""
    tags: tuple[tuple[str, str], ...] = ()
    """Those that could be read."""


def parse_record(text: str) -> KeyRecord | UnreadableRecord:
    """Return the record in the joined strings of one TXT record, octets above 127 as any character above 127.

    Unknown tags are kept, in their order; the last `;` may be left out; white space around names and values is dropped.
    A `v=` that is not the first tag is accepted, since verifiers accept it (RFC 6376 §3.6.1 forbids it): the judge
    reports it.
    """
    found = parse_tags(text)
    fault, why = RecordFault.MALFORMED, ""
    odd = _ODD_OCTET.search(text)
    if found.problems:
        problem = found.problems[0]
        fault, why = RecordFault.DUPLICATE_TAG if problem.is_repeated else fault, problem.why
    elif odd:
        fault, why = RecordFault.ODD_OCTET, f"octet {ord(odd[0]):#04x} at position {odd.start() + 1}"
    return _checked(text, found.tags, fault, why)


def _checked(
    text: str, tags: tuple[tuple[str, str], ...], fault: RecordFault, why: str
) -> KeyRecord | UnreadableRecord:
    names = dict(reversed(tags))
    version = names.get("v")
    if not why and version is not None and version != "DKIM1":
        fault, why = RecordFault.VERSION, f"v={shown(version)} is not DKIM1"
    if not why and "p" not in names:
        fault, why = RecordFault.NO_KEY, "it has no p= tag" if tags else "it is empty"
    if not why:
        return KeyRecord(tags)
    return UnreadableRecord(fault if _is_meant_as_key(text) else RecordFault.NOT_DKIM, why, tags)


def _is_meant_as_key(text: str) -> bool:
    """False for what somebody meant as another kind of record: SPF, DMARC, a token."""
    version = _VERSION.match(text)
    return version[1].lower().startswith("dkim") if version else _KEY.search(text) is not None
