"""Reading a key record as RFC 6376 §3.2 (tag-list) and §3.6.1 (its tags) say."""

import re
from dataclasses import dataclass
from enum import StrEnum

from dkimctl.record.model import KeyRecord

SPACE = " \t\r\n"  # folding white space (RFC 6376 §2.8); a bare CR or LF is let pass, as every verifier does
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ODD_OCTET = re.compile(r"[^\x21-\x7e \t\r\n]")  # neither VALCHAR nor white space: RFC 6376 §3.2
_VERSION = re.compile(rf"[{SPACE}\"'(]*(?:TXT[{SPACE}]+)?v[{SPACE}]*[=:][{SPACE}\"']*([a-z]+)", re.IGNORECASE)
_KEY = re.compile(rf"(^|[;,{SPACE}\"'])p[{SPACE}]*=", re.IGNORECASE)


class RecordFault(StrEnum):
    """Why a text is no key record."""

    NOT_DKIM = "not a DKIM key record"
    MALFORMED = "not a list of tag=value"
    ODD_OCTET = "an octet that may not stand in a record"
    DUPLICATE_TAG = "a tag that stands twice"
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
    """The record in the joined strings of one TXT record, octets above 127 as any character above 127.

    Unknown tags are kept, in their order; the last `;` may be left out; white space around names and values is dropped.
    `v=` that is not the first tag is let pass, since verifiers do (RFC 6376 §3.6.1 demands it): the judge says so.
    """
    tags: list[tuple[str, str]] = []
    fault, why = RecordFault.MALFORMED, ""
    specs = text.split(";")
    if not specs[-1].strip(SPACE):
        specs.pop()
    for spec in specs:
        name, equals, value = spec.partition("=")
        name, value = name.strip(SPACE), value.strip(SPACE)
        if not equals or not _TAG_NAME.fullmatch(name):
            why = why or (
                f"{_shown(spec)} is not of the form tag=value" if spec.strip(SPACE) else "a tag is empty (;;)"
            )
            continue
        if any(name == other for other, _ in tags) and not why:
            fault, why = RecordFault.DUPLICATE_TAG, f"the tag {name}= stands twice"
        tags.append((name, value))
    odd = _ODD_OCTET.search(text)
    if odd and not why:
        fault, why = RecordFault.ODD_OCTET, f"octet {ord(odd[0]):#04x} at position {odd.start() + 1}"
    return _checked(text, tuple(tags), fault, why)


def _checked(
    text: str, tags: tuple[tuple[str, str], ...], fault: RecordFault, why: str
) -> KeyRecord | UnreadableRecord:
    names = dict(reversed(tags))
    version = names.get("v")
    if not why and version is not None and version != "DKIM1":
        fault, why = RecordFault.VERSION, f"v={_shown(version)} is not DKIM1"
    if not why and "p" not in names:
        fault, why = RecordFault.NO_KEY, "it has no p= tag" if tags else "it is empty"
    if not why:
        return KeyRecord(tags)
    return UnreadableRecord(fault if _is_meant_as_key(text) else RecordFault.NOT_DKIM, why, tags)


def _is_meant_as_key(text: str) -> bool:
    """False for what somebody meant as another kind of record: SPF, DMARC, a token."""
    version = _VERSION.match(text)
    return version[1].lower().startswith("dkim") if version else _KEY.search(text) is not None


def _shown(text: str) -> str:
    text = text.strip(SPACE)
    shown = "".join(c if c.isascii() and c.isprintable() else f"\\x{ord(c):02x}" for c in text[:40])
    return f"“{shown}{'…' if len(text) > 40 else ''}”"
