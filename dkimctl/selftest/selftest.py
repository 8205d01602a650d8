"""The selftest: messages from managed domains, handed in as real ones are, and their signatures verified."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime

from dkimctl.dkim.signature import FIELD
from dkimctl.errors import DkimctlError
from dkimctl.milter.client import MilterVerdict, Offered, Reply, hand_over
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.programs import log_of
from dkimctl.selftest.attempt import Attempt, AttemptState, Expected, assess, attempt, not_verified, why_hint
from dkimctl.selftest.cases import Case
from dkimctl.selftest.probing import Finder, Prober, Selftest, Via, all_cases, daemon_socket, noted
from dkimctl.selftest.through_postfix import through_postfix

_AT_ONCE = 3
"""Messages that the daemon handles at a time."""


def selftest(prober: Prober, domains: Sequence[str], via: Via) -> Selftest:
    """Send every message of the first domain's cases, and for the others one from the domain and one from below it.

    Raises Unavailable when nobody takes the messages: no daemon, no Postfix.
    """
    if via is Via.MILTER:
        return _through_milter(prober, domains)
    return through_postfix(prober, domains, via)


def _through_milter(prober: Prober, domains: Sequence[str]) -> Selftest:
    place = daemon_socket(prober.settings)
    finder = Finder(prober, domains)
    attempts = []
    for domain, case, sent, reply in _answers(prober, place, domains):
        expected = Expected(domain, finder.find, sent, prober.clock.now())
        attempts.append(noted(_judged(case, reply, expected, prober.settings.signing.signer), finder))
        prober.report(attempts[-1])
    tree_note = "the daemon that answered is this machine's: none runs below --root"
    notes = () if prober.settings.is_live else (tree_note,)
    return Selftest(Via.MILTER, str(place), tuple(attempts), (*finder.notes, *notes))


def _answers(
    prober: Prober, place: MilterSocket, domains: Sequence[str]
) -> Iterator[tuple[str, Case, datetime, Reply]]:
    """Each message with the daemon's answer to it; meanwhile the daemon has the next few in hand."""
    in_hand: deque[tuple[str, Case, datetime, Offered]] = deque()
    try:
        for number, (domain, case) in enumerate(all_cases(prober, domains, prober.clock.now())):
            sent = prober.clock.now()
            job = f"DKIMCTL{sent:%H%M%S}{number:03}"
            in_hand.append((domain, case, sent, hand_over(place, case.message, job=job, timeout=prober.patience)))
            if len(in_hand) == _AT_ONCE:
                yield _answered(*in_hand.popleft())
        while in_hand:
            yield _answered(*in_hand.popleft())
    finally:
        for _, _, _, offered in in_hand:
            offered.connection.close()


def _answered(domain: str, case: Case, sent: datetime, offered: Offered) -> tuple[str, Case, datetime, Reply]:
    return domain, case, sent, offered.reply()


def _judged(case: Case, reply: Reply, expected: Expected, signer: str) -> Attempt:
    if reply.verdict is not MilterVerdict.ACCEPT:
        answer = f" ({reply.text})" if reply.text else ""
        seen = f"the daemon answered {reply.verdict}{answer}: such mail does not go out"
        return attempt(case, expected, AttemptState.WRONG, seen, hint=f"{why_hint(case)}; or its log: {log_of(signer)}")
    message = case.message
    for name, value in reversed(reply.added):
        if name.lower() == FIELD.lower():
            message = message.with_header(name, value)
    try:
        return assess(case, message.raw, expected)
    except DkimctlError as error:
        return not_verified(case, expected, error)
