"""A conclusion from resolvers only, where a firewall lets nothing else out: weaker, and it says so."""

from collections.abc import Callable

from dkimctl.catalogue import delivery, presence
from dkimctl.findings import Finding, finding
from dkimctl.verify.judge import Judgement
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import ServerAnswer, Target

_NOTHING = Judgement(None, None, (), None)
_UNREACHED = {presence.UNREACHABLE.code, presence.NOT_ASKED.code}


def judge_through_resolvers(
    found: Survey, target: Target, judge: Callable[[str, Target], Judgement], noticed: list[Finding]
) -> Judgement:
    """Accept what at least two resolvers that the user named all serve, if it is right; else say what they hold.

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
