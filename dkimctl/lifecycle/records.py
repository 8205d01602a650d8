"""What is seen of key records: every address of every authoritative server asked, and the facts that follow."""

from collections.abc import Iterable, Iterator

from dkimctl.config.settings import Settings
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.lifecycle.facts import RecordFacts
from dkimctl.lifecycle.policy import Policy
from dkimctl.publish.record_match import key_value
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.verify.check import check
from dkimctl.verify.report import AnswerState, Report, ServerAnswer, Target

_NOTHING = (AnswerState.NO_NAME, AnswerState.NO_TEXT)


def look(settings: Settings, targets: Iterable[Target]) -> Iterator[Report]:
    """Yield what every authoritative server says at the name of each of these keys."""
    yield from check(targets, settings.lookup, weak=not_looked_for)


def noted(record: RecordFacts, report: Report, public: str, policy: Policy, now: int) -> RecordFacts:
    """Return the facts after a look. What could not be asked changes nothing.

    `public`: the key that is looked for, as in `p=`.
    """
    answers = _last_names(report)
    if not answers or not all(answer.has_answered for answer in answers):
        return record
    record = record._replace(
        ttl=max((a.ttl or 0 for a in answers if a.state is AnswerState.TEXT), default=record.ttl),
        negative_ttl=max([record.negative_ttl, *(a.ttl or 0 for a in answers if a.state in _NOTHING)]),
    )
    if all(_is_exactly(answer, public) for answer in answers):
        return _seen(record, policy, now)
    record = record._replace(seen=None, confirmed=None, missing=now if record.missing is None else record.missing)
    if all(answer.state in _NOTHING or _is_empty(answer) for answer in answers):
        is_meant = record.revoked is not None or all(_is_empty(answer) for answer in answers)
        if record.gone is None and is_meant:
            record = record._replace(gone=now)
        if record.gone is not None and record.absent is None and all(a.state in _NOTHING for a in answers):
            record = record._replace(absent=now)
    return record


def is_absent(report: Report) -> bool:
    """Return True when every address of every name server answered, and has nothing at the name."""
    answers = _last_names(report)
    return bool(answers) and all(answer.has_answered and answer.state in _NOTHING for answer in answers)


def _seen(record: RecordFacts, policy: Policy, now: int) -> RecordFacts:
    seen = now if record.seen is None else record.seen
    confirmed = now if record.confirmed is None and seen <= now - policy.proof_interval else record.confirmed
    return record._replace(seen=seen, confirmed=confirmed, last_seen=now, missing=None)


def _last_names(report: Report) -> list[ServerAnswer]:
    """Return the answers for the name at which the record itself is, at the end of its CNAMEs."""
    last = report.answers[-1].name if report.answers else ""
    return [answer for answer in report.answers if answer.name == last]


def _is_exactly(answer: ServerAnswer, public: str) -> bool:
    return len(answer.texts) == 1 and key_value(answer.texts[0]) == public


def _is_empty(answer: ServerAnswer) -> bool:
    found = parse_record(answer.texts[0]) if len(answer.texts) == 1 else None
    return isinstance(found, KeyRecord) and found.is_revoked
