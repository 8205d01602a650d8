"""Explanation of an input: a signature, key records, a message, or a mailbox."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from dkimctl.dkim.check import SignatureVerdict, check_signatures
from dkimctl.dkim.form import form_problems
from dkimctl.dkim.inspection import Inspection, Signature
from dkimctl.dkim.mail import Field, Mail, Rest, parse_mail
from dkimctl.dkim.pastedrecords import explain_records
from dkimctl.dkim.recognise import Kind, messages_in, recognise
from dkimctl.dkim.signature import FIELD
from dkimctl.dkim.tag_explanations import arc_tags, signature_tags
from dkimctl.dkim.usable_key import FindRecords
from dkimctl.errors import CheckFailed
from dkimctl.names import counted, printable
from dkimctl.record.taglist import TagList, parse_signature_tags

MOST_SIGNATURES = 20
"""Signatures verified per message, a limit that RFC 6376 §6.1 allows; mail has one to four."""
MOST_TAGS = 100
"""Tags explained per signature; DKIM has 14."""
MOST_OTHERS = 100
"""Number of other fields, and of skipped signatures, that are named."""
ARC = {
    "arc-seal": "ARC, the seal of one hop over the hops before it (RFC 8617 §4.1.3); not a DKIM signature",
    "arc-message-signature": "ARC, the signature of a hop on the way (RFC 8617 §4.1.2); not the sender's",
    "arc-authentication-results": "ARC, what a hop found when it checked the message (RFC 8617 §4.1.1)",
}
DKIM2 = {
    "dkim2-signature": "DKIM2, a draft of the IETF: not verified here, and not a DKIM signature",
    "message-instance": "DKIM2, a draft of the IETF: the hashes of one state of the message",
    "mail-version": "DKIM2, an old draft of the IETF: the hashes of one state of the message",
}
OLD = {"domainkey-signature": "DomainKeys (RFC 4870), the predecessor of DKIM, which is no longer verified"}


def explain(content: bytes, find_records: FindRecords, now: datetime, rest: Rest | None = None) -> Inspection:
    """Explain the content, and verify the signatures of a message. Raises CheckFailed when it is none of these.

    `rest`: what follows, where it was too much to be kept: it is read for the hash of a message's body, and nothing
    else. Raises OSError when that fails.
    """
    seen = recognise(content)
    if seen.records is not None:
        return explain_records(seen.records)
    if seen.kind is Kind.SIGNATURE:
        return _signature(seen.content, now)
    if seen.kind is Kind.MAILBOX:
        return _mailbox(seen.content, find_records, now, rest)
    return _message(parse_mail(seen.content, rest), find_records, now)


def _signature(text: bytes, now: datetime) -> Inspection:
    name, _, value = text.decode("latin-1").partition(":")
    field = Field(name.strip(), text, 1)
    return Inspection(Kind.SIGNATURE, (_explained(field, parse_signature_tags(value), now),))


def _explained(field: Field, tags: TagList, now: datetime) -> Signature:
    kind, first = field.name.lower(), replace(tags, tags=tags.tags[:MOST_TAGS])
    if kind in ARC:
        explained = () if kind == "arc-authentication-results" else arc_tags(first, now)
        return Signature(field.name, field.line, explained, ARC[kind])
    named = DKIM2.get(kind) or OLD.get(kind)
    if named:
        return Signature(field.name, field.line, (), named)
    more = max(len(tags.tags) - MOST_TAGS, 0)
    return Signature(field.name, field.line, signature_tags(first, now), "", tuple(form_problems(tags)), None, more)


# --- a message


def _mailbox(content: bytes, find_records: FindRecords, now: datetime, rest: Rest | None) -> Inspection:
    parts, more = messages_in(content)
    if len(parts) == 1:
        return _message(parse_mail(content, rest and replace(rest, most=0)), find_records, now)
    cut = len(parts) - 1 if rest and not more else None
    messages = tuple(
        _message(parse_mail(part, rest and replace(rest, most=0) if number == cut else None), find_records, now)
        for number, part in enumerate(parts)
    )
    left_out: tuple[str, ...] = (
        (f"{counted(more, 'more message')}: the first {len(parts)} were looked at",) if more else ()
    )
    if rest:
        left_out += (f"all that follows the first {len(content) >> 20} MiB of the mailbox: it was not read",)
    looks = f"a mailbox (mbox) of {len(parts) + more} messages"
    return Inspection(Kind.MAILBOX, (), (), (), "", len(content), more, left_out, looks, (), (), messages)


def _message(mail: Mail, find_records: FindRecords, now: datetime) -> Inspection:
    if not mail.fields:
        raise CheckFailed("not a mail message: it has no header", hint="give the whole message as it was received")
    others = [f for f in mail.fields if f.name.lower() in {*ARC, *DKIM2, *OLD}]
    own = [(f, parse_signature_tags(f.value.decode("latin-1"))) for f in mail.named(FIELD)]
    tried, too_many = own[:MOST_SIGNATURES], own[MOST_SIGNATURES:]
    outcomes = check_signatures(mail, tried, find_records, now)
    explained = [
        replace(_explained(field, tags, now), outcome=outcome)
        for (field, tags), outcome in zip(tried, outcomes, strict=True)
    ]
    explained += [_explained(f, parse_signature_tags(f.value.decode("latin-1")), now) for f in others[:MOST_OTHERS]]
    return Inspection(
        Kind.MESSAGE,
        tuple(sorted(explained, key=lambda s: s.line)),
        author=next((printable(f.text[:1000]) for f in mail.named("From")), ""),
        size=mail.size,
        passed_over=len(too_many),
        left_out=(*_left_out(too_many), *_left_out_others(others), *_unread(mail)),
    )


def _left_out(too_many: list[tuple[Field, TagList]]) -> Iterator[str]:
    """Return which signatures were skipped: a verifier may limit their number (RFC 6376 §6.1)."""
    for field, tags in too_many[:MOST_OTHERS]:
        yield f"the signature in line {field.line}: d={printable(tags.get('d'))}, s={printable(tags.get('s'))}"
    if len(too_many) > MOST_OTHERS:
        yield counted(len(too_many) - MOST_OTHERS, "more signature")


def _left_out_others(others: list[Field]) -> Iterator[str]:
    if len(others) > MOST_OTHERS:
        yield f"{len(others) - MOST_OTHERS} more fields of ARC, DKIM2 or DomainKeys"


def _unread(mail: Mail) -> Iterator[str]:
    if not mail.is_whole:
        yield f"all that follows the first {mail.size >> 20} MiB of the message: it was not read"


def exit_code(inspection: Inspection) -> int:
    """Return 0 when all is right, 1 when something is wrong or not signed, 3 when something could not be verified."""
    from dkimctl.findings import exit_code as of_findings

    if inspection.kind is Kind.RECORD:
        return of_findings(inspection.findings)
    if inspection.kind is Kind.SIGNATURE:
        return 1 if any(s.problems for s in inspection.signatures) else 0
    if inspection.kind is Kind.MAILBOX:
        return max([3 if inspection.passed_over else 0, *map(exit_code, inspection.messages)])
    outcomes = [s.outcome for s in inspection.signatures if s.outcome]
    if inspection.passed_over or any(o.verdict is SignatureVerdict.UNKNOWN for o in outcomes):
        return 3
    return 0 if outcomes and all(o.verdict is SignatureVerdict.VALID and not o.wrong for o in outcomes) else 1
