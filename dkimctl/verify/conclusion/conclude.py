"""From what the servers said to findings and a verdict."""

from collections.abc import Callable
from dataclasses import replace

from dkimctl.catalogue import presence, record_keys
from dkimctl.findings import Finding, finding
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.keys.public import PublicKey
from dkimctl.verify.conclusion.delegated import judge_delegation
from dkimctl.verify.conclusion.resolvers import judge_through_resolvers
from dkimctl.verify.conclusion.servers import judge_delivery, judge_presence, judge_reach
from dkimctl.verify.judge import Judgement, is_fit_to_publish, judge, right_text
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import Report, ServerAnswer, Target, Verdict, in_order, verdict_of

Judge = Callable[[str, Target], Judgement]

_FIXED_BY_PUBLISHING = {
    entry.code
    for entry in (
        presence.MISSING,
        presence.BROKEN_ALIAS,
        presence.DELEGATE_EMPTY,
        presence.SEVERAL,
        presence.DOUBLED_ZONE,
        presence.NO_UNDERSCORE,
        presence.SWAPPED,
        presence.OTHER_DOMAIN,
    )
}


_JUDGED = 8  # of several records at one name: enough to tell the right one and what the others are


def conclude(target: Target, found: Survey, judge: Judge = judge) -> Report:
    """The report about one target; `judge` says what is to be said about a text."""
    noticed: list[Finding] = []
    said, publish = Judgement(None, None, (), None), None
    judge_reach(found, noticed)
    answered = [answer for answer in found.last if answer.has_answered]
    texts = sorted({text for answer in answered for text in answer.texts})
    if answered and not found.is_endless:
        judgements = {text: judge(text, target) for text in texts[:_JUDGED]}
        keep = _right_one(answered, judgements)
        judge_presence(found, answered, texts, keep, noticed)
        for said in [judgements[keep]] if keep else judgements.values():
            noticed += said.findings
            publish = publish or said.publish
        publish = publish or keep
        judge_delivery(found, answered, noticed)
    if not answered and found.is_walled:
        said = judge_through_resolvers(found, target, judge, noticed)
        texts = [text for answer in found.resolvers[:1] for text in answer.texts] if said.record else []
    judge_delegation(found, target, noticed)
    findings = in_order([_exact(f, target) for f in noticed])
    verdict = verdict_of(findings)
    if verdict is Verdict.RIGHT:
        findings = in_order([*findings, _right(found, target, said.key, len(answered))])
    elif publish is None and any(f.code in _FIXED_BY_PUBLISHING for f in findings):
        publish = right_text(target, said.record) or next(
            (other.text for other in found.elsewhere if is_fit_to_publish(other.text, target, not_looked_for)), None
        )
    if publish is not None and not texts and not judge(publish, target).is_usable:
        publish = None  # a key that is known to be bad
    is_one = len(texts) == 1
    return Report(
        target=target,
        domain=target.domain,
        selector=target.selector,
        owner=found.owner,
        verdict=verdict,
        findings=findings,
        zone=found.zones[0].name if found.zones else "",
        dnssec=found.security,
        answers=tuple(found.answers),
        resolvers=found.resolvers,
        text=texts[0] if is_one else None,
        record=said.record if is_one else None,
        publish=publish if publish not in texts or len(texts) > 1 else None,
        publish_at=_place(found, target),
    )


def _place(found: Survey, target: Target) -> str:
    """Return where the record belongs: at the end of the CNAMEs, but never at a name that only a wildcard leads to."""
    if target.alias:
        return target.alias
    if found.is_endless:
        return found.owner
    return found.wildcards[0] if found.wildcards else found.aliases[-1]


def _right_one(answered: list[ServerAnswer], judgements: dict[str, Judgement]) -> str | None:
    """Of several records at the name, the one that may stay; None when there is no such one, or more than one."""
    if max(len(answer.texts) for answer in answered) < 2:
        return None
    usable = [text for text, judgement in judgements.items() if judgement.record and judgement.is_usable]
    return usable[0] if len(usable) == 1 else None


def _exact(one: Finding, target: Target) -> Finding:
    """The same with the domain in the command to type."""
    return replace(one, fix=one.fix.replace("DOMAIN", target.domain)) if "DOMAIN" in one.fix else one


def _right(found: Survey, target: Target, key: PublicKey | None, count: int) -> Finding:
    kind = f"{key.algorithm} {key.bits} bits" if key else ""
    entry = record_keys.RIGHT if target.expected is not None else record_keys.USABLE
    where = f"{count} server address{'es' if count != 1 else ''}" if count else f"{len(found.resolvers)} resolvers"
    return finding(entry, found.owner, f"{kind}, at {where}")
