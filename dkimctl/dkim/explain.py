"""What somebody holds out to be explained: a signature, a key record, or a whole message."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dkimctl.dkim.check import Outcome, Verdict, check_signature
from dkimctl.dkim.form import form_problems
from dkimctl.dkim.mail import Field, Mail, parse_mail
from dkimctl.dkim.signature import FindRecord
from dkimctl.dkim.words import Tag, arc_tags, key_tags, signature_tags
from dkimctl.errors import CheckFailed
from dkimctl.findings import Finding
from dkimctl.names import printable
from dkimctl.record.parse import UnreadableRecord, parse_record
from dkimctl.record.presentation import strings_in
from dkimctl.record.taglist import TagList, parse_signature_tags
from dkimctl.verify.judge import judge
from dkimctl.verify.report import Target

MOST_SIGNATURES = 20
"""So many signatures of one message are verified; mail has one to four, and each costs a walk through the body."""
_SIGNATURE_FIELD = re.compile(
    rb"\s*(?:DKIM2?-Signature|ARC-[A-Za-z-]+|Message-Instance|Mail-Version|DomainKey-Signature)[ \t]*:", re.IGNORECASE
)

_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|>?From ")

ARC = {
    "arc-seal": "ARC, the seal of one hop over the hops before it (RFC 8617 §4.1.3); not a DKIM signature",
    "arc-message-signature": "ARC, the signature of a hop on the way (RFC 8617 §4.1.2); not the sender's",
    "arc-authentication-results": "ARC, what a hop found when it checked the message (RFC 8617 §4.1.1)",
}
DKIM2 = {
    "dkim2-signature": "DKIM2, a draft of the IETF: not verified here, and no DKIM signature for anybody else",
    "message-instance": "DKIM2, a draft of the IETF: the hashes of one state of the message",
    "mail-version": "DKIM2, an old draft of the IETF: the hashes of one state of the message",
}
OLD = {"domainkey-signature": "DomainKeys (RFC 4870), the forerunner of DKIM: nobody verifies it any more"}


class Kind(StrEnum):
    """What was held out."""

    SIGNATURE = "signature"
    RECORD = "key record"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature, or another field that is named and explained but not verified."""

    field: str
    line: int
    """Of the file."""
    tags: tuple[Tag, ...]
    named: str = ""
    """What it is, when it is no DKIM-Signature."""
    problems: tuple[str, ...] = ()
    """What is wrong with its form."""
    outcome: Outcome | None = None
    """None when it was not to be verified: without the message, or no DKIM-Signature."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything about it."""

    kind: Kind
    signatures: tuple[Signature, ...] = ()
    """Of a message, from the top."""
    tags: tuple[Tag, ...] = ()
    """Of a key record."""
    findings: tuple[Finding, ...] = ()
    """About a key record."""
    author: str = ""
    """`From:` of a message."""
    size: int = 0
    """Octets of a message."""
    passed_over: int = 0
    """Signatures that were too many to verify."""

    @property
    def is_unsigned(self) -> bool:
        """True for a message without any DKIM-Signature."""
        return self.kind is Kind.MESSAGE and all(s.named for s in self.signatures)


def explain(content: bytes, find_record: FindRecord, now: datetime) -> Inspection:
    """Explain it, and verify the signatures of a message. Raises CheckFailed when it is none of the three."""
    text = content[: 1 << 16].removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise CheckFailed("there is nothing in it", hint="give a DKIM-Signature, a key record, or a whole message")
    if _SIGNATURE_FIELD.match(text) and _is_single_field(text):
        return _signature(text, now)
    if len(content) <= 1 << 16 and not _FIELD.match(text):
        record = _record_text(text.decode("latin-1"))
        if record is not None:
            return _record(record)
        if _is_bare_signature(text):
            return _signature(b"DKIM-Signature: " + text, now)
    return _message(parse_mail(content.removeprefix(b"\xef\xbb\xbf")), find_record, now)


# --- a signature by itself


def _is_single_field(text: bytes) -> bool:
    return all(line[:1] in (b" ", b"\t") or not _FIELD.match(line) for line in text.splitlines()[1:] if line) and (
        b"\n\n" not in text.replace(b"\r", b"")
    )


def _is_bare_signature(text: bytes) -> bool:
    tags = parse_signature_tags(text.decode("latin-1"))
    return "bh" in tags and ("b" in tags or "d" in tags)


def _signature(text: bytes, now: datetime) -> Inspection:
    name, _, value = text.decode("latin-1").partition(":")
    return Inspection(Kind.SIGNATURE, (_explained(Field(name.strip(), text, 1), value, now),))


def _explained(field: Field, value: str, now: datetime) -> Signature:
    tags, kind = parse_signature_tags(value), field.name.lower()
    if kind in ARC:
        explained = () if kind == "arc-authentication-results" else arc_tags(tags, now)
        return Signature(field.name, field.line, explained, ARC[kind])
    named = DKIM2.get(kind) or OLD.get(kind)
    if named:
        return Signature(field.name, field.line, (), named)
    return Signature(field.name, field.line, signature_tags(tags, now), "", tuple(form_problems(tags)))


# --- a key record


def _record_text(text: str) -> str | None:
    """The record's text in any of its spellings: bare, as `dig` or a zone file shows it; None when it is no record."""
    for candidate in (strings_in(text), text):
        record = parse_record(candidate.strip()) if candidate.strip() else None
        if record is None or "bh=" in candidate:
            continue
        if not isinstance(record, UnreadableRecord) or re.match(r"\s*[\"'(]*v\s*=", candidate, re.IGNORECASE):
            return candidate.strip()
    return None


def _record(text: str) -> Inspection:
    record = parse_record(text)
    found = judge(text, Target("selector", "example.com"))
    findings = tuple(replace(f, subject="the record") for f in found.findings)
    return Inspection(Kind.RECORD, (), key_tags(record.tags), findings)


# --- a message


def _message(mail: Mail, find_record: FindRecord, now: datetime) -> Inspection:
    known = {"dkim-signature", *ARC, *DKIM2, *OLD}
    signatures, verified, passed_over = [], 0, 0
    for field in mail.fields:
        if field.name.lower() not in known:
            continue
        explained = _explained(field, field.value.decode("latin-1"), now)
        if not explained.named and verified >= MOST_SIGNATURES:
            passed_over += 1
        elif not explained.named:
            verified += 1
            explained = replace(explained, outcome=_checked(mail, field, find_record, now))
        signatures.append(explained)
    if not mail.fields:
        raise CheckFailed("not a mail message: it has no header", hint="give the whole message as it was received")
    author = next((printable(f.text) for f in mail.named("From")), "")
    return Inspection(Kind.MESSAGE, tuple(signatures), (), (), author, len(mail.content), passed_over)


def _checked(mail: Mail, field: Field, find_record: FindRecord, now: datetime) -> Outcome:
    tags: TagList = parse_signature_tags(field.value.decode("latin-1"))
    return check_signature(mail, field, tags, find_record, now)


def exit_code(inspection: Inspection) -> int:
    """0 when all is right, 1 when something is wrong or nothing is signed, 3 when a signature could not be verified."""
    from dkimctl.findings import exit_code as of_findings

    if inspection.kind is Kind.RECORD:
        return of_findings(inspection.findings)
    if inspection.kind is Kind.SIGNATURE:
        return 1 if any(s.problems for s in inspection.signatures) else 0
    verdicts = {s.outcome.verdict for s in inspection.signatures if s.outcome}
    if Verdict.UNKNOWN in verdicts or inspection.passed_over:
        return 3
    return 0 if verdicts == {Verdict.VALID} else 1
