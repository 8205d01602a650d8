"""Reports about key records for people, problems first."""

from collections.abc import Sequence

from dkimctl.findings import WORST_FIRST
from dkimctl.names import printable
from dkimctl.output.findings import finding_blocks
from dkimctl.output.layout import Block, Line, Prose, Tone, heading, separated, severity_tone
from dkimctl.record.model import KeyRecord
from dkimctl.record.presentation import quoted
from dkimctl.verify.report import AnswerState, Report, ServerAnswer, Verdict
from dkimctl.verify.tally import Tally

_STRING = 68  # octets of a string that fits a line
_FIT = 36  # characters of a key that fit after its tag
_COLUMN = 42  # of the servers' names and addresses, at most
_TEXT = 2000  # octets of a text that are shown
_TEXTS = 8  # texts at one name that are shown
_RANK = {Verdict.WRONG: 0, Verdict.UNKNOWN: 1, Verdict.RIGHT: 2}
_TONES = {Verdict.WRONG: Tone.ERROR, Verdict.UNKNOWN: Tone.UNKNOWN, Verdict.RIGHT: Tone.OK}


def verification_blocks(tally: Tally, *, in_full: bool) -> list[Block]:
    """Return every report that was kept `in_full`; or a summary by finding and the problems."""
    ordered = sorted(tally.reports, key=lambda r: (_RANK[r.verdict], r.domain, r.selector))
    if in_full and ordered:
        return separated(map(report_blocks, ordered))
    problems = [_problem(report) for report in ordered if not report.is_right]
    more = f"and {tally.untold} more that are not right; all of them: --format jsonl"
    return separated([_summary(tally), *problems, *([[Line(more)]] if tally.untold else [])])


def _summary(tally: Tally) -> list[Block]:
    noun = "key record" if tally.count == 1 else "key records"
    blocks: list[Block] = [heading(f"{tally.count} {noun}: {tally.in_words or 'nothing to check'}")]
    worst = sorted(tally.findings.items(), key=lambda item: (WORST_FIRST.index(item[0][0]), -item[1], item[0][1]))
    for (severity, code, title), count in worst:
        label = f"  {count:7} × {severity.value:8} "
        blocks.append(Prose(f"{code}  {title}", label, len(label), severity_tone(severity), one_line_in_pipes=True))
    return blocks


def _verdict(report: Report) -> Prose:
    return heading(f"{report.owner}: {report.verdict.value}", _TONES[report.verdict])


def _problem(report: Report) -> list[Block]:
    worth = [f for f in report.findings if f.severity in WORST_FIRST[:3]]
    return [_verdict(report), *(block for found in worth for block in finding_blocks(found))]


def report_blocks(report: Report) -> list[Block]:
    """Return one name: its findings, the record tag by tag, what each server said, and what to publish."""
    texts = sorted({text for answer in report.answers for text in answer.texts})
    groups = [[_verdict(report), *(block for found in report.findings for block in finding_blocks(found))]]
    if report.record is not None:
        groups.append(_record(report.record))
    elif len(texts) == 1:
        groups.append([heading("text", margin=2), _octets(texts[0], 4)])
    elif texts:
        groups.append(_several_texts(texts))
    if report.answers:
        groups.append(_servers(f"authoritative servers of {report.zone}", report, report.answers, texts))
    if report.resolvers:
        groups.append(_servers("resolvers", report, report.resolvers, texts))
    if report.publish is not None:
        groups.append(_to_publish(report))
    return separated(groups)


def _record(record: KeyRecord) -> list[Block]:
    blocks: list[Block] = [heading("record", margin=2)]
    for name, value in record.tags:
        value = printable("".join(value.split()) if name == "p" else value, _TEXT)
        shown = value if len(value) <= 2 * _FIT else f"{value[:_FIT]}…{value[-12:]} ({len(value)} characters)"
        label = f"    {name + '=':4}"
        blocks.append(Prose(shown, label if shown else label.rstrip(), len(label), one_line_in_pipes=True))
    return blocks


def _several_texts(texts: list[str]) -> list[Block]:
    """Return each text with a number, by which the table of servers refers to it."""
    blocks: list[Block] = [heading("texts", margin=2)]
    blocks += [_octets(text, 7, f"    {n:<3}") for n, text in enumerate(texts[:_TEXTS], 1)]
    if len(texts) > _TEXTS:
        blocks.append(Line(f"    and {len(texts) - _TEXTS} more"))
    return blocks


def _servers(title: str, report: Report, answers: Sequence[ServerAnswer], texts: list[str]) -> list[Block]:
    blocks: list[Block] = [heading(f"{title}", margin=2)]
    name = report.owner
    is_known = any(one.has_answered for one in report.answers)
    column = min(_COLUMN, max(len(_where(answer)) for answer in answers))
    for answer in answers:
        if answer.name != name:
            name = answer.name
            blocks.append(Line(f"    at {name}:"))
        said = _said(answer, texts, is_known=is_known) + (
            f", serial {answer.serial}" if answer.serial is not None else ""
        )
        blocks.append(Prose(said, f"    {_where(answer):{column}}  ", 8, breaks_words=True))
    return blocks


def _where(answer: ServerAnswer) -> str:
    return answer.address if answer.server == answer.address else f"{answer.server} {answer.address}"


def _said(answer: ServerAnswer, texts: list[str], *, is_known: bool) -> str:
    """The answer of one server. `is_known`: the `texts` are those of authoritative servers, of which one answered."""
    if answer.state is AnswerState.ALIAS:
        return f"CNAME {answer.alias}"
    if answer.state is not AnswerState.TEXT:
        left = f" for {answer.ttl} s more" if answer.ttl is not None else ""
        return printable(answer.why, 200) or answer.state.value + left
    size = f"{len(answer.texts[0])} octets" if len(answer.texts) == 1 else f"{len(answer.texts)} texts"
    if len(answer.texts) == 1 and is_known and answer.texts[0] not in texts:
        size = f"another text, {size}"  # only a resolver's cache still has it
    elif len(answer.texts) == 1 and 1 < len(texts) <= _TEXTS:
        size = f"text {texts.index(answer.texts[0]) + 1}, {size}"
    return f"{size}, ttl {answer.ttl} s" + (", over TCP" if answer.over_tcp else "")


def _to_publish(report: Report) -> list[Block]:
    """Return the record as a zone file has it: in short strings, which verifiers join (RFC 6376 §3.6.2.2)."""
    assert report.publish is not None
    parts = [quoted(report.publish[i : i + _STRING]) for i in range(0, len(report.publish), _STRING)]
    parts[-1] += " )"
    head: list[Block] = [heading("to publish", margin=2), Line(f"    {report.publish_at}. IN TXT (")]
    return [*head, *(Line(f"      {part}") for part in parts)]


def _octets(text: str, indent: int, label: str = "") -> Prose:
    shown = (printable(text, _TEXT) or "(empty)") + (f" ({len(text)} octets)" if len(text) > _TEXT else "")
    return Prose(shown, label or " " * indent, indent, breaks_words=True)
