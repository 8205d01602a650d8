"""Findings and a verdict from the servers' answers; a delegated domain, and resolvers alone, are judged otherwise."""

from collections.abc import Callable
from dataclasses import replace

from dkimctl.catalogue import delivery, presence, record_keys
from dkimctl.findings import Finding, finding
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.keys.public import PublicKey
from dkimctl.names import printable
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
_SAID_BETTER = {presence.MISSING.code, presence.BROKEN_ALIAS.code}
_NOTHING = Judgement(None, None, (), None)
_UNREACHED = {presence.UNREACHABLE.code, presence.NOT_ASKED.code}


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


def judge_delegation(found: Survey, target: Target, noticed: list[Finding]) -> None:
    """Say of a delegated name whose turn it is, in place of what is said of other names."""
    if not target.alias:
        return
    is_missing = any(one.code in _SAID_BETTER for one in noticed)
    noticed[:] = [one for one in noticed if one.code not in _SAID_BETTER]
    if target.alias in found.aliases:
        if is_missing:
            noticed.append(
                finding(presence.DELEGATE_EMPTY, found.owner, _seen(found.last) + f" at {found.aliases[-1]}")
            )
        return
    if not any(answer.has_answered for answer in found.answers):
        return  # what could not be asked is said already
    wanted = f"it should be a CNAME to {target.alias}"
    if len(found.aliases) > 1:
        noticed.append(
            finding(
                presence.DELEGATED_ELSEWHERE, found.owner, f"a CNAME to {printable(found.aliases[1], 100)}; {wanted}"
            )
        )
    elif is_missing:
        noticed.append(finding(presence.NOT_YET_DELEGATED, found.owner, f"{_seen(found.last)}; {wanted}"))
    else:
        noticed.append(finding(presence.OWN_RECORD, found.owner, f"a TXT record; {wanted}"))
    _judge_operator(found, target, noticed)


def _judge_operator(found: Survey, target: Target, noticed: list[Finding]) -> None:
    """The other side, where the chain did not lead there."""
    answered = [answer for answer in found.at_delegate if answer.has_answered]
    if not answered:
        noticed.append(finding(presence.UNREACHABLE, target.alias, "no server of the operator's zone answers"))
    elif not all(answer.texts for answer in answered):
        noticed.append(finding(presence.DELEGATE_EMPTY, found.owner, f"{_seen(found.at_delegate)} at {target.alias}"))
    elif target.expected and not all(target.expected.base64 in text for a in answered for text in a.texts):
        noticed.append(finding(presence.DELEGATE_EMPTY, found.owner, f"another key at {target.alias}"))


def _seen(answers: tuple[ServerAnswer, ...]) -> str:
    return next((answer.state.value for answer in answers if answer.has_answered and not answer.texts), "no answer")


def judge_through_resolvers(
    found: Survey, target: Target, judge: Callable[[str, Target], Judgement], noticed: list[Finding]
) -> Judgement:
    """Accept what at least two resolvers that somebody named all serve, if it is right; else say what they hold.

    What nobody serves yet may be a memory of theirs (RFC 2308), so no error is concluded from it.
    """
    said = _judgement(found, target, judge)
    if said.is_usable and said.record is not None:
        noticed[:] = [one for one in noticed if one.code not in _UNREACHED]
        noticed += [finding(delivery.BY_RESOLVERS, found.owner, _held(found.resolvers)), *said.findings]
        return said
    noticed.append(finding(delivery.ONLY_RESOLVERS, found.owner, _held(found.resolvers)))
    return _NOTHING


def _judgement(found: Survey, target: Target, judge: Callable[[str, Target], Judgement]) -> Judgement:
    contents = {answer.content for answer in found.resolvers}
    if not found.resolvers_are_chosen or len(found.resolvers) < 2 or len(contents) != 1:
        return _NOTHING
    texts = found.resolvers[0].texts
    return judge(texts[0], target) if len(texts) == 1 else _NOTHING


def _held(resolvers: tuple[ServerAnswer, ...]) -> str:
    return "; ".join(f"{answer.server}: {answer.in_short}" for answer in resolvers)
