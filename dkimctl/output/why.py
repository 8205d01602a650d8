"""The answer of `why` for people: the outcome, then each decision that led to it."""

from collections.abc import Iterator, Sequence

from dkimctl.output.layout import Block, Prose, labelled, severity_tone
from dkimctl.verify.report import Report
from dkimctl.why.answer import MailOutcome, WhyAnswer, severity_of

_INDENT = 10
_MEANING = {
    MailOutcome.SIGNED: "signed",
    MailOutcome.UNSIGNED: "not signed",
    MailOutcome.DEFERRED: "deferred (4.7.1)",
    MailOutcome.REJECTED: "rejected (550): lost",
    MailOutcome.CRASH: "the daemon crashes",
    MailOutcome.NOT_STARTED: "nothing is signed",
    MailOutcome.UNKNOWN: "not known",
}


def answer_blocks(answer: WhyAnswer, reports: Sequence[Report]) -> Iterator[Block]:
    """Return the outcome in one line, then client, sender, key, file, DMARC and DNS, each with file and line."""
    mail = answer.mail
    auth = f", authenticated as {mail.login}" if mail.login else ""
    head = f"{mail.sender} from {mail.client}{auth}: {_MEANING[answer.outcome]}"
    yield Prose(head, indent=2, text_tone=severity_tone(severity_of(answer.outcome)), one_line_in_pipes=True)
    for step in answer.steps:
        yield labelled(step.topic, step.text, _INDENT, margin=2)
    if answer.reason:
        tone = severity_tone(severity_of(answer.outcome))
        yield labelled("because", answer.reason, _INDENT, margin=2, tone=tone)
    for report in reports:
        worst = report.findings[0]
        text = f"{report.owner}: {report.verdict.value}: {worst.code} {worst.title}"
        yield labelled("DNS", text, _INDENT, margin=2, tone=severity_tone(worst.severity))
