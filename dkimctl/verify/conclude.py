"""From what the servers said to findings and a verdict."""

from dkimctl.findings import Finding, finding
from dkimctl.keys.public import PublicKey
from dkimctl.names import printable
from dkimctl.record.model import KeyRecord
from dkimctl.verify import catalogue as c
from dkimctl.verify.judge import judge, right_text
from dkimctl.verify.report import Report, ServerAnswer, State, Target, Verdict, in_order, verdict_of
from dkimctl.verify.survey import Survey


def conclude(target: Target, found: Survey) -> Report:
    """The report about one target."""
    noticed: list[Finding] = []
    publish: str | None = None
    record: KeyRecord | None = None
    key: PublicKey | None = None
    _reach(found, noticed)
    answered = [answer for answer in found.last if answer.has_answered]
    texts = sorted({text for answer in answered for text in answer.texts})
    if answered and not found.is_endless:
        _presence(found, answered, texts, noticed)
        for text in texts:
            judgement = judge(text, target)
            noticed += judgement.findings
            publish = publish or judgement.publish
            record, key = judgement.record, judgement.key
    findings = in_order(noticed)
    verdict = verdict_of(findings)
    if verdict is Verdict.RIGHT:
        findings = (*findings, _praise(target, key, len(answered)))
    elif publish is None and any(f.code in _MENDED_BY_PUBLISHING for f in findings):
        publish = right_text(target, record)
    is_one = len(texts) == 1
    return Report(
        target=target,
        domain=target.domain,
        selector=target.selector,
        owner=target.owner,
        verdict=verdict,
        findings=findings,
        zone=found.zone,
        answers=tuple(found.answers),
        resolvers=found.resolvers,
        text=texts[0] if is_one else None,
        record=record if is_one else None,
        publish=publish if publish not in texts else None,
        publish_at=found.owner if found.is_endless else found.aliases[-1],
    )


_MENDED_BY_PUBLISHING = {entry.code for entry in (c.MISSING, c.BROKEN_ALIAS, c.SEVERAL)}


def _praise(target: Target, key: PublicKey | None, count: int) -> Finding:
    kind = f"{key.algorithm} {key.bits} bits" if key else ""
    entry = c.RIGHT if target.expected is not None else c.USABLE
    return finding(entry, target.owner, f"{kind}, at {count} server address{'es' if count != 1 else ''}")


def _reach(found: Survey, noticed: list[Finding]) -> None:
    """What could not be asked, and where the search ended."""
    name = found.aliases[-1]
    if found.no_zone:
        noticed.append(finding(c.NO_ZONE, name, found.no_zone))
    if found.not_delegated:
        seen = f"the zone that holds {name} is {found.not_delegated}"
        noticed.append(finding(c.NOT_DELEGATED if len(found.aliases) == 1 else c.BROKEN_ALIAS, found.owner, seen))
    if len(found.aliases) > 1:
        entry = c.ENDLESS_ALIAS if found.is_endless else c.ALIAS
        noticed.append(finding(entry, found.owner, _chain(found.aliases)))
    reached = {answer.server for answer in found.answers if answer.has_answered}
    for answer in found.answers:
        _reach_server(found.owner, answer, answer.server in reached, noticed)


def _chain(names: list[str]) -> str:
    shown = names if len(names) < 6 else [*names[:3], "…", names[-1]]
    return " → ".join(printable(name, 100) for name in shown)


def _reach_server(owner: str, answer: ServerAnswer, is_reached: bool, noticed: list[Finding]) -> None:
    where = f"{answer.server} ({answer.address})" if answer.address else answer.server
    seen = f"{where}: {answer.why}"
    if answer.state is State.SILENT:
        noticed.append(finding(c.UNREACHABLE if answer.address else c.NO_ADDRESS, owner, seen))
    elif answer.state is State.LAME:
        noticed.append(finding(c.LAME, owner, seen))
    elif answer.state is State.NOT_ASKED:
        noticed.append(finding(c.NOT_ASKED if is_reached else c.UNREACHABLE, owner, seen))


def _presence(found: Survey, answered: list[ServerAnswer], texts: list[str], noticed: list[Finding]) -> None:
    """Is the record there, once, and the same everywhere."""
    name = found.aliases[-1]
    contents = {answer.content for answer in answered}
    if len(contents) > 1:
        seen = "; ".join(f"{answer.server} ({answer.address}): {_in_short(answer)}" for answer in answered)
        noticed.append(finding(c.DISAGREE, name, seen))
    if not texts and len(contents) == 1:
        entry = c.MISSING if len(found.aliases) == 1 else c.BROKEN_ALIAS
        noticed.append(finding(entry, found.owner, f"{answered[0].state.value} at {name}"))
    most = max(len(answer.texts) for answer in answered)
    if most > 1:
        noticed.append(finding(c.SEVERAL, name, f"{most} TXT records"))


def _in_short(answer: ServerAnswer) -> str:
    if answer.alias:
        return f"a CNAME to {printable(answer.alias)}"
    if len(answer.texts) > 1:
        return f"{len(answer.texts)} records"
    if answer.texts:
        text = answer.texts[0]
        return f"{len(text)} octets ending in …{printable(text[-12:])}"
    return answer.state.value
