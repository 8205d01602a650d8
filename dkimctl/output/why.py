"""The answer of `why` for people: the outcome, then each decision that led to it."""

import textwrap
from collections.abc import Sequence

from dkimctl.output.findings import WIDTH
from dkimctl.verify.report import Report
from dkimctl.why.answer import Answer, Outcome

_INDENT = 10
_MEANING = {
    Outcome.SIGNED: "signed",
    Outcome.UNSIGNED: "not signed",
    Outcome.DEFERRED: "deferred (4.7.1)",
    Outcome.REJECTED: "rejected (550): lost",
    Outcome.CRASH: "the daemon crashes",
    Outcome.NOT_STARTED: "nothing is signed",
    Outcome.UNKNOWN: "not known",
}


def answer_text(answer: Answer, reports: Sequence[Report]) -> str:
    """The outcome in one line, then client, sender, key, file, DMARC and DNS, each with file and line."""
    mail = answer.mail
    auth = f", authenticated as {mail.login}" if mail.login else ""
    blocks = [f"{mail.sender} from {mail.client}{auth}: {_MEANING[answer.outcome]}\n"]
    blocks += [_line(step.topic, step.text) for step in answer.steps]
    if answer.reason:
        blocks.append(_line("because", answer.reason))
    for report in reports:
        worst = report.findings[0]
        blocks.append(_line("DNS", f"{report.owner}: {report.verdict.value}: {worst.code} {worst.title}"))
    return "".join(blocks)


def _line(topic: str, text: str) -> str:
    return (
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=f"  {topic:{_INDENT - 2}}",
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
            break_long_words=False,
        )
        + "\n"
    )
