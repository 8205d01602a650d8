"""Findings and a verdict from the servers' answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from dkimctl.catalogue import presence, record_keys
from dkimctl.findings import Finding, finding
from dkimctl.keys.knownbad import not_looked_for
from dkimctl.keys.public import PublicKey
from dkimctl.verify.conclusion.delegation import judge_delegation
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
_OF_THE_NAME = {
    entry.code for entry in (presence.WILDCARD, presence.ALIAS, presence.DNAME, presence.DISAGREE, presence.UNREACHABLE)
}
"""What a wildcard changes nothing about."""
_JUDGED = 8  # of several records at one name: enough to find the right one and what the others are


_NOTHING = Judgement(None, None, (), None)


class _Texts(NamedTuple):
    """What the servers hold, judged."""

    texts: list[str]
    said: Judgement = _NOTHING
    """About the record that counts: the right one of several, else the last."""
    publish: str | None = None
    """What would repair its text."""


def conclude(target: Target, found: Survey, judge: Judge = judge) -> Report:
    """The report about one target; `judge` says what is to be said about a text."""
    noticed: list[Finding] = []
    judge_reach(found, noticed)
    answered = [answer for answer in found.last if answer.has_answered]
    held = _judge_texts(target, found, answered, judge, noticed)
    judge_delegation(found, target, noticed)
    findings = in_order([_exact(f, target) for f in noticed])
    verdict = verdict_of(findings)
    if verdict is Verdict.RIGHT:
        findings = in_order([*findings, _right(found, target, held.said.key, len(answered))])
    is_one = len(held.texts) == 1
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
        text=held.texts[0] if is_one else None,
        record=held.said.record if is_one else None,
        publish=_to_publish(target, found, held, findings, judge),
        publish_at=_place(found, target),
    )


def _judge_texts(
    target: Target, found: Survey, answered: list[ServerAnswer], judge: Judge, noticed: list[Finding]
) -> _Texts:
    """Judge every text that the servers hold, and how they hold it; behind a firewall what the resolvers hold."""
    texts = sorted({text for answer in answered for text in answer.texts})
    if not answered and found.is_walled:
        said = judge_through_resolvers(found, target, judge, noticed)
        return _Texts([text for answer in found.resolvers[:1] for text in answer.texts] if said.record else [], said)
    if not answered or found.is_endless:
        return _Texts(texts)
    judgements = {text: judge(text, target) for text in texts[:_JUDGED]}
    keep = _right_one(answered, judgements)
    judge_presence(found, answered, texts, keep, noticed)
    looked_at = [judgements[keep]] if keep else [*judgements.values()]
    noticed += [one for said in looked_at for one in said.findings]
    noticed[:] = [_without_wildcard(one, found) for one in noticed]
    judge_delivery(found, answered, noticed)
    publish = next((said.publish for said in looked_at if said.publish), keep)
    return _Texts(texts, looked_at[-1], publish) if looked_at else _Texts(texts)


def _without_wildcard(one: Finding, found: Survey) -> Finding:
    """Return what is said about a record that a wildcard leads to: it is another name's, and has to stay as it is."""
    if not found.wildcards or one.code in _OF_THE_NAME or not one.fix:
        return one
    place, last = found.wildcards[0], found.aliases[-1]
    stays = "the wildcard" if place == last else f"what is at {last}"
    return replace(one, fix=f"publish the key record at {place}; {stays} stays as it is")


def _to_publish(target: Target, found: Survey, held: _Texts, findings: tuple[Finding, ...], judge: Judge) -> str | None:
    """Return the text whose publishing repairs what was found; None where nothing does, or where it is the only one."""
    publish = held.publish
    if publish is None and any(f.code in _FIXED_BY_PUBLISHING for f in findings):
        publish = right_text(target, held.said.record) or next(
            (other.text for other in found.elsewhere if is_fit_to_publish(other.text, target, not_looked_for)), None
        )
    if publish is not None and not held.texts and not judge(publish, target).is_usable:
        return None  # a key that is known to be bad
    return publish if publish not in held.texts or len(held.texts) > 1 else None


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
