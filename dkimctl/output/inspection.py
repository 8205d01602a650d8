"""What `inspect` found, for people: each tag in words, the verdict with its reasons, what was hashed."""

from collections.abc import Iterator

from dkimctl.dkim.check import Hashed, SignatureOutcome, SignatureVerdict
from dkimctl.dkim.inspection import Inspection, Signature
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.tag_explanations import Tag
from dkimctl.names import counted, printable
from dkimctl.output.findings import INDENT, finding_blocks
from dkimctl.output.layout import Block, Line, Prose, Tone, heading, labelled, message, paragraph, separated

_SHOWN = 60  # characters of a value; the rest of a long one says nothing to people
_BODY = 2000  # octets of a body that -v shows; -vv shows more
_TONES = {SignatureVerdict.VALID: Tone.OK, SignatureVerdict.INVALID: Tone.ERROR, SignatureVerdict.UNKNOWN: Tone.UNKNOWN}


def inspection_blocks(inspection: Inspection, verbosity: int = 0) -> list[Block]:
    """Return all of it. `verbosity`: 1 shows what was hashed, 2 shows it in full."""
    if inspection.kind is Kind.RECORD:
        return list(_records(inspection))
    if inspection.kind is Kind.MAILBOX:
        return _mailbox(inspection, verbosity)
    groups = [list(_head(inspection))] if inspection.kind is Kind.MESSAGE else []
    groups += [list(_signature(s, verbosity)) for s in inspection.signatures]
    return separated([*groups, *_left_out(inspection)])


def _mailbox(inspection: Inspection, verbosity: int) -> list[Block]:
    groups = [
        [heading(f"--- message {number}"), *inspection_blocks(one, verbosity)]
        for number, one in enumerate(inspection.messages, 1)
    ]
    return [message(inspection.looks), *separated([*groups, *_left_out(inspection)])]


def _left_out(inspection: Inspection) -> Iterator[list[Block]]:
    if inspection.left_out:
        notes = [paragraph(printable(words, 300), 2, breaks_words=True) for words in inspection.left_out]
        yield [heading("not looked at"), *notes]


def _records(inspection: Inspection) -> Iterator[Block]:
    several = inspection.records
    yield heading(f"{len(several)} key records" if several else "key record")
    if inspection.looks:
        yield _labelled("input", inspection.looks)
    for remark in inspection.remarks:
        yield _labelled("note", remark)
    for number, record in enumerate(several, 1):
        yield heading(f"record {number}")
        for tag in record.tags:
            yield from _tag(tag)
    for tag in () if several else inspection.tags:
        yield from _tag(tag)
    for found in inspection.findings:
        yield from finding_blocks(found)
    if not inspection.findings:
        yield _labelled("result", "nothing is wrong with it", Tone.OK)
    for left_out in _left_out(inspection):
        yield from left_out


def _head(inspection: Inspection) -> Iterator[Block]:
    own = [s for s in inspection.signatures if s.outcome]
    author = f"message of {counted(inspection.size, 'octet')}, From: {inspection.author}"
    yield paragraph(author, breaks_words=True)
    yield heading("no DKIM-Signature" if not own else counted(len(own), "DKIM-Signature"))
    for signature in own:
        assert signature.outcome is not None
        tags = {tag.name: tag.value for tag in signature.tags}
        name = f"{tags.get('d', '?')} (s={tags.get('s', '?')})"
        verdict = signature.outcome.verdict
        yield Prose(f" {printable(name)}", f"  {verdict.value}:", 4, _TONES[verdict], one_line_in_pipes=True)
    for words in dict.fromkeys(words for s in own if s.outcome for words in s.outcome.wrong):
        yield _labelled("wrong", words, Tone.ERROR)


def _signature(signature: Signature, verbosity: int) -> Iterator[Block]:
    where = f" in line {signature.line}" if signature.outcome or signature.named else ""
    yield heading(f"{signature.field}{where}")
    if signature.named:
        yield paragraph(signature.named, 2, breaks_words=True)
    for tag in signature.tags:
        yield from _tag(tag)
    if signature.more_tags:
        yield paragraph(f"and {counted(signature.more_tags, 'more tag')}", 2)
    if signature.outcome is None:
        yield from (_labelled("wrong", problem, Tone.ERROR) for problem in signature.problems)
        return
    yield from _outcome(signature.outcome)
    is_valid = signature.outcome.verdict is SignatureVerdict.VALID
    yield from _hashed(signature.outcome.hashed, verbosity, is_valid=is_valid)


def _tag(tag: Tag) -> Iterator[Block]:
    value = printable(tag.value, 10_000)
    if len(value) > _SHOWN:
        value = f"{value[: _SHOWN - 20]}…{value[-8:]} ({len(value)} characters)"
    yield Prose(f"{tag.name}={value}", "  ", 6, one_line_in_pipes=True, breaks_words=True)
    if tag.words:
        yield paragraph(tag.words, 6, breaks_words=True)


def _outcome(outcome: SignatureOutcome) -> Iterator[Block]:
    yield _labelled("result", outcome.verdict.value, _TONES[outcome.verdict])
    for reason in outcome.reasons:
        yield _labelled("because", reason)
    if outcome.hint:
        yield _labelled("hint", outcome.hint, Tone.HINT)
    for words in outcome.wrong:
        yield _labelled("but", words, Tone.WARNING)
    for remark in outcome.remarks:
        yield _labelled("note", remark)
    if outcome.key:
        yield _labelled("key", f"{outcome.key}, at {outcome.owner}")
    for part, fits in (("header", outcome.header_fits), ("body", outcome.body_fits)):
        if fits is not None:
            tone = Tone.OK if fits else Tone.ERROR
            yield _labelled(part, "as it was signed" if fits else "not as it was signed", tone)


def _hashed(hashed: Hashed | None, verbosity: int, *, is_valid: bool) -> Iterator[Block]:
    if hashed is None:
        return
    if verbosity < 1:
        if not is_valid:
            yield _labelled("more", "-v shows what was hashed")
        return
    absent = f"; no field for {', '.join(hashed.absent)}" if hashed.absent else ""
    limit = len(hashed.body) if verbosity > 1 else _BODY
    body = hashed.body[:limit]
    more = f", the first {len(body)} shown" if len(body) < hashed.body_size else ""
    yield heading(f"hashed header (␍␊ is CRLF{absent})", margin=2)
    yield from _octets(hashed.header)
    yield heading(
        f"hashed body: {hashed.body_size} of {counted(hashed.body_total, 'octet')}{more}; its hash is", margin=2
    )
    yield Line(f"    {hashed.body_hash}")
    yield from _octets(body)


def _octets(text: str) -> Iterator[Line]:
    """Return a line for each line of the text, every octet made visible."""
    shown = text.replace("\r\n", "␍␊\n")
    for line in shown.removesuffix("\n").split("\n") if text else ():
        yield Line(f"    |{printable(line, 100_000)}")


def _labelled(label: str, text: str, tone: Tone = Tone.FAINT) -> Prose:
    return labelled(f"{label}:", printable(text, 1000), INDENT, margin=2, tone=tone, breaks_words=True)
