"""What `inspect` found as text for people: each tag in words, the verdict with its reasons, what was hashed."""

import textwrap
from collections.abc import Iterator

from dkimctl.dkim.check import Hashed, Outcome, Verdict
from dkimctl.dkim.inspection import Inspection, Signature
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.words import Tag
from dkimctl.names import printable
from dkimctl.output.findings import WIDTH, finding_text

_SHOWN = 60  # characters of a value; the rest of a long one says nothing to people
_BODY = 2000  # octets of a body that -v shows; -vv shows more


def inspection_text(inspection: Inspection, verbosity: int = 0) -> str:
    """Return all of it as text. `verbosity`: 1 shows what was hashed, 2 shows it in full."""
    if inspection.kind is Kind.RECORD:
        return _records(inspection)
    if inspection.kind is Kind.MAILBOX:
        parts = [inspection_text(message, verbosity) for message in inspection.messages]
        numbered = (f"--- message {number}\n{part}" for number, part in enumerate(parts, 1))
        return f"{inspection.looks}\n" + "\n".join([*numbered, *_left_out(inspection)])
    blocks = [_head(inspection)] if inspection.kind is Kind.MESSAGE else []
    blocks += [_signature(s, verbosity) for s in inspection.signatures]
    return "\n".join([*blocks, *_left_out(inspection)])


def _left_out(inspection: Inspection) -> Iterator[str]:
    if inspection.left_out:
        yield "not looked at\n" + "".join(_paragraph(printable(words, 300), "  ") for words in inspection.left_out)


def _records(inspection: Inspection) -> str:
    text = "key record\n" if not inspection.records else f"{len(inspection.records)} key records\n"
    if inspection.looks:
        text += _labelled("input", inspection.looks)
    text += "".join(_labelled("note", remark) for remark in inspection.remarks)
    if inspection.records:
        for number, record in enumerate(inspection.records, 1):
            text += f"record {number}\n" + "".join(_tag(tag) for tag in record.tags)
    else:
        text += "".join(_tag(tag) for tag in inspection.tags)
    findings = "".join(finding_text(f) for f in inspection.findings)
    return text + (findings or _labelled("result", "nothing is wrong with it")) + "\n".join(_left_out(inspection))


def _head(inspection: Inspection) -> str:
    own = [s for s in inspection.signatures if s.outcome]
    counts = "no DKIM-Signature" if not own else f"{len(own)} DKIM-Signature{'' if len(own) == 1 else 's'}"
    lines = _paragraph(f"message of {inspection.size} octets, From: {inspection.author}", "")
    wrong = dict.fromkeys(words for s in own if s.outcome for words in s.outcome.wrong)
    return lines + f"{counts}{''.join(_brief(s) for s in own)}\n" + "".join(_labelled("wrong", w) for w in wrong)


def _brief(signature: Signature) -> str:
    tags = {tag.name: tag.value for tag in signature.tags}
    assert signature.outcome is not None
    name = f"{tags.get('d', '?')} (s={tags.get('s', '?')})"
    return f"\n  {signature.outcome.verdict.value}: {printable(name)}"


def _signature(signature: Signature, verbosity: int) -> str:
    where = f" in line {signature.line}" if signature.outcome or signature.named else ""
    text = f"{signature.field}{where}\n"
    if signature.named:
        text += _paragraph(signature.named, "  ")
    text += "".join(_tag(tag) for tag in signature.tags)
    if signature.more_tags:
        text += _paragraph(f"and {signature.more_tags} more tags", "  ")
    if signature.outcome is None:
        text += "".join(_labelled("wrong", problem) for problem in signature.problems)
        return text
    is_valid = signature.outcome.verdict is Verdict.VALID
    return text + "".join(_outcome(signature.outcome)) + _hashed(signature.outcome.hashed, verbosity, is_valid=is_valid)


def _tag(tag: Tag) -> str:
    value = printable(tag.value, 10_000)
    if len(value) > _SHOWN:
        value = f"{value[: _SHOWN - 20]}…{value[-8:]} ({len(value)} characters)"
    return f"  {tag.name}={value}\n" + _paragraph(tag.words, "      ")


def _outcome(outcome: Outcome) -> Iterator[str]:
    yield _labelled("result", outcome.verdict.value)
    for reason in outcome.reasons:
        yield _labelled("because", reason)
    if outcome.hint:
        yield _labelled("hint", outcome.hint)
    for words in outcome.wrong:
        yield _labelled("but", words)
    for remark in outcome.remarks:
        yield _labelled("note", remark)
    if outcome.key:
        yield _labelled("key", f"{outcome.key}, at {outcome.owner}")
    for part, fits in (("header", outcome.header_fits), ("body", outcome.body_fits)):
        if fits is not None:
            yield _labelled(part, "as it was signed" if fits else "not as it was signed")


def _hashed(hashed: Hashed | None, verbosity: int, *, is_valid: bool) -> str:
    if hashed is None:
        return ""
    if verbosity < 1:
        return "" if is_valid else _labelled("more", "-v shows what was hashed")
    absent = f"; no field for {', '.join(hashed.absent)}" if hashed.absent else ""
    limit = len(hashed.body) if verbosity > 1 else _BODY
    body = hashed.body[:limit]
    more = f", the first {len(body)} shown" if len(body) < hashed.body_size else ""
    return (
        f"  hashed header (␍␊ is CRLF{absent})\n"
        + _octets(hashed.header)
        + f"  hashed body: {hashed.body_size} of {hashed.body_total} octets{more}; its hash is\n"
        + f"    {hashed.body_hash}\n"
        + _octets(body)
    )


def _octets(text: str) -> str:
    """Every octet to be seen, a line for each of its lines."""
    shown = text.replace("\r\n", "␍␊\n")
    return (
        "".join(f"    |{printable(line, 100_000)}\n" for line in shown.removesuffix("\n").split("\n")) if text else ""
    )


def _labelled(label: str, text: str) -> str:
    return (
        textwrap.fill(
            printable(text, 1000),
            WIDTH,
            initial_indent=f"  {label + ':':9}",
            subsequent_indent=" " * 11,
            break_on_hyphens=False,
        )
        + "\n"
    )


def _paragraph(text: str, indent: str) -> str:
    if not text:
        return ""
    return textwrap.fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False) + "\n"
