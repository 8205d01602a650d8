"""Reports about key records as text for people: problems first, within 80 columns."""

import textwrap
from collections.abc import Sequence

from dkimctl.findings import WORST_FIRST
from dkimctl.names import printable
from dkimctl.output.findings import WIDTH, finding_text
from dkimctl.record.model import KeyRecord
from dkimctl.record.presentation import quoted
from dkimctl.verify.report import Report, ServerAnswer, State, Verdict
from dkimctl.verify.tally import Tally

_STRING = 68  # octets of a string that fits a line
_FIT = 36  # characters of a key that fit beside its tag
_COLUMN = 42  # of the servers' names and addresses, at most
_TEXT = 2000  # octets of a text that are shown
_TEXTS = 8  # texts at one name that are shown


def verification_text(tally: Tally, *, in_full: bool) -> str:
    """Every report that was kept `in_full`; or a summary by finding and the problems."""
    ordered = sorted(tally.reports, key=lambda r: (_RANK[r.verdict], r.domain, r.selector))
    if in_full and ordered:
        return "\n".join(report_text(report) for report in ordered)
    problems = [report for report in ordered if not report.is_right]
    more = [f"and {tally.untold} more that are not right; all of them: --format jsonl\n"] if tally.untold else []
    return "\n".join([_summary(tally), *(_problem_text(report) for report in problems), *more])


_RANK = {Verdict.WRONG: 0, Verdict.UNKNOWN: 1, Verdict.RIGHT: 2}


def _summary(tally: Tally) -> str:
    noun = "key record" if tally.count == 1 else "key records"
    lines = [f"{tally.count} {noun}: {tally.in_words or 'nothing to check'}"]
    worst = sorted(tally.findings.items(), key=lambda item: (WORST_FIRST.index(item[0][0]), -item[1], item[0][1]))
    lines += [f"  {count:7} × {severity.value:8} {code}  {title}" for (severity, code, title), count in worst]
    return "\n".join(lines) + "\n"


def _problem_text(report: Report) -> str:
    worth = [f for f in report.findings if f.severity in WORST_FIRST[:3]]
    return f"{report.owner}: {report.verdict.value}\n" + "".join(finding_text(f) for f in worth)


def report_text(report: Report) -> str:
    """One name: its findings, the record tag by tag, what each server said, and what to publish."""
    texts = sorted({text for answer in report.answers for text in answer.texts})
    blocks = [f"{report.owner}: {report.verdict.value}\n" + "".join(finding_text(f) for f in report.findings)]
    if report.record is not None:
        blocks.append(_record_text(report.record))
    elif len(texts) == 1:
        blocks.append("  text\n" + _wrapped(texts[0], "    "))
    elif texts:
        blocks.append(_several_texts(texts))
    if report.answers:
        blocks.append(_server_table(f"authoritative servers of {report.zone}", report, report.answers, texts))
    if report.resolvers:
        blocks.append(_server_table("resolvers", report, report.resolvers, texts))
    if report.publish is not None:
        blocks.append(_publish_text(report))
    return "\n".join(blocks)


def _record_text(record: KeyRecord) -> str:
    lines = ["  record"]
    for name, value in record.tags:
        value = printable("".join(value.split()) if name == "p" else value, _TEXT)
        shown = value if len(value) <= 2 * _FIT else f"{value[:_FIT]}…{value[-12:]} ({len(value)} characters)"
        lines.append(f"    {name + '=':4}{shown}".rstrip())
    return "\n".join(lines) + "\n"


def _several_texts(texts: list[str]) -> str:
    """Each text with a number, by which the table of servers refers to it."""
    lines = ["  texts\n", *(_wrapped(text, "       ", f"    {n:<3}") for n, text in enumerate(texts[:_TEXTS], 1))]
    if len(texts) > _TEXTS:
        lines.append(f"    and {len(texts) - _TEXTS} more\n")
    return "".join(lines)


def _server_table(title: str, report: Report, answers: Sequence[ServerAnswer], texts: list[str]) -> str:
    lines = [f"  {title}"]
    name = report.owner
    column = min(_COLUMN, max(len(_where(answer)) for answer in answers))
    for answer in answers:
        if answer.name != name:
            name = answer.name
            lines.append(f"    at {name}:")
        said = _said(answer, texts) + (f", serial {answer.serial}" if answer.serial is not None else "")
        lines += _row(f"{_where(answer):{column}}", said)
    return "\n".join(lines) + "\n"


def _where(answer: ServerAnswer) -> str:
    return answer.address if answer.server == answer.address else f"{answer.server} {answer.address}"


def _row(where: str, said: str) -> list[str]:
    """A line of the table; two and more where it does not fit the width."""
    line = f"    {where}  {said}"
    if len(line) <= WIDTH:
        return [line]
    return [f"    {where.rstrip()}", *textwrap.wrap(said, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)]


def _said(answer: ServerAnswer, texts: list[str]) -> str:
    if answer.state is State.ALIAS:
        return f"CNAME {answer.alias}"
    if answer.state is not State.TEXT:
        left = f" for {answer.ttl} s more" if answer.ttl is not None else ""
        return printable(answer.why, 200) or answer.state.value + left
    size = f"{len(answer.texts[0])} octets" if len(answer.texts) == 1 else f"{len(answer.texts)} texts"
    if len(answer.texts) == 1 and answer.texts[0] not in texts:
        size = f"another text, {size}"  # only a resolver's cache still has it
    elif len(answer.texts) == 1 and 1 < len(texts) <= _TEXTS:
        size = f"text {texts.index(answer.texts[0]) + 1}, {size}"
    return f"{size}, ttl {answer.ttl} s" + (", over TCP" if answer.over_tcp else "")


def _publish_text(report: Report) -> str:
    """As a zone file takes it: in many short strings, which verifiers join (RFC 6376 §3.6.2.2)."""
    assert report.publish is not None
    parts = [quoted(report.publish[i : i + _STRING]) for i in range(0, len(report.publish), _STRING)]
    body = "\n".join(f"      {part}" for part in parts)
    return f"  to publish\n    {report.publish_at}. IN TXT (\n{body} )\n"


def _wrapped(text: str, indent: str, first: str = "") -> str:
    shown = (printable(text, _TEXT) or "(empty)") + (f" ({len(text)} octets)" if len(text) > _TEXT else "")
    first = first or indent
    return textwrap.fill(shown, WIDTH, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False) + "\n"
