"""What is said of a delegated name: its turn is the customer's, the operator's, or nobody's."""

from dkimctl.catalogue import presence
from dkimctl.findings import Finding, finding
from dkimctl.names import printable
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import ServerAnswer, Target

_SAID_BETTER = {presence.MISSING.code, presence.BROKEN_ALIAS.code}


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
