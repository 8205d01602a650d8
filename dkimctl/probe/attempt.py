"""What became of one message of the selftest, and why."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.probe.cases import Case
from dkimctl.probe.inspection.check import Verdict as Judged
from dkimctl.probe.inspection.explain import Signature, explain
from dkimctl.probe.inspection.words import moment, span
from dkimctl.probe.signature import FindRecord, verify

_SKEW = timedelta(seconds=2)  # t= counts whole seconds, and the message takes a moment


class State(StrEnum):
    """How it ended."""

    SIGNED = "signed"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message and what is said of it."""

    domain: str
    case: str
    sender: str
    state: State
    seen: str
    """In a line: who signed it, or what is wrong."""
    hint: str = ""
    remarks: tuple[str, ...] = ()
    """What should be known although it is signed."""
    selectors: tuple[str, ...] = ()
    """`s=` of each signature that holds."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a message of the selftest is measured by."""

    domain: str
    """The signing domain."""
    find_record: FindRecord
    sent: datetime
    now: datetime
    after: str = ""
    """What handles mail after the signing daemon, in words; empty when nothing does."""


def assess(case: Case, raw: bytes, expected: Expected) -> Attempt:
    """Judge a message as it came out: its signatures verified by dkimpy, and for one that fails what was changed."""
    found = explain(raw, expected.find_record, expected.now)
    signatures = [s for s in found.signatures if s.outcome]
    if not signatures:
        return attempt(case, expected, State.WRONG, "it came out without a signature", hint=why_hint(case))
    ours = [s for s in signatures if _tag(s, "d").lower() == expected.domain]
    if not ours:
        other = signatures[0]
        seen = f"signed with d={_tag(other, 'd')}, which is not {expected.domain}: DMARC looks at that"
        return attempt(case, expected, State.WRONG, seen, hint=why_hint(case))
    try:
        held = {(s.domain, s.selector) for s in verify(raw, expected.find_record) if s.valid}
    except Unavailable as error:
        return attempt(case, expected, State.UNKNOWN, error.message, hint=error.hint)
    good = [s for s in ours if (_tag(s, "d"), _tag(s, "s")) in held]
    if not good:
        return _broken(case, ours[0], expected)
    remarks = (*_duplicates(signatures), *_clock(good[0], expected), *_also_broken(signatures, held))
    state = State.WARNING if remarks else State.SIGNED
    seen = "signed by " + " and ".join(f"{_tag(s, 's')} (d={_tag(s, 'd')})" for s in good)
    return attempt(case, expected, state, seen, remarks=remarks, selectors=tuple(_tag(s, "s") for s in good))


def attempt(
    case: Case,
    expected: Expected,
    state: State,
    seen: str,
    *,
    hint: str = "",
    remarks: tuple[str, ...] = (),
    selectors: tuple[str, ...] = (),
) -> Attempt:
    """The attempt with this message."""
    return Attempt(expected.domain, case.name, case.message.sender, state, seen, hint, remarks, selectors)


def not_verified(case: Case, expected: Expected, error: DkimctlError) -> Attempt:
    """The attempt that ended with an error: what could not be asked is unknown, everything else is wrong."""
    state = State.UNKNOWN if isinstance(error, Unavailable) else State.WRONG
    return attempt(case, expected, state, error.message, hint=error.hint)


def why_hint(case: Case) -> str:
    """The command that tells why mail from this sender is not signed."""
    return f"see why: sudo dkimctl why {case.message.sender}"


def _broken(case: Case, signature: Signature, expected: Expected) -> Attempt:
    outcome = signature.outcome
    assert outcome is not None
    if outcome.verdict is Judged.UNKNOWN:
        return attempt(case, expected, State.UNKNOWN, "; ".join(outcome.reasons), hint=outcome.hint)
    seen = f"the signature by {_tag(signature, 's')} fails: " + ("; ".join(outcome.reasons) or "dkimpy refuses it")
    changed = False in (outcome.body_fits, outcome.header_fits)
    if not case.is_legal and outcome.header_fits and not outcome.body_fits:
        hint = "such mail is against RFC 5322 §2.1.1; let what writes it encode it (quoted-printable or base64)"
        return attempt(case, expected, State.WARNING, seen, hint=hint)
    hint = f"after the daemon comes {expected.after}" if changed and expected.after else outcome.hint
    return attempt(case, expected, State.WRONG, seen, hint=hint)


def _duplicates(signatures: list[Signature]) -> list[str]:
    counts = Counter((_tag(s, "d"), _tag(s, "s")) for s in signatures)
    return [
        f"signed {count} times by {selector} of {domain}: the daemon is asked {count} times on the way"
        for (domain, selector), count in counts.items()
        if count > 1
    ]


def _also_broken(signatures: list[Signature], held: set[tuple[str, str]]) -> list[str]:
    return [
        f"a second signature, by {_tag(s, 's')} of {_tag(s, 'd')}, does not verify: {'; '.join(s.outcome.reasons)}"
        for s in signatures
        if s.outcome and (_tag(s, "d"), _tag(s, "s")) not in held
    ]


def _clock(signature: Signature, expected: Expected) -> list[str]:
    """The signer's clock against ours (the article: "Signature date is -19 seconds in the future")."""
    signed = moment(_tag(signature, "t"))
    if signed is None:
        return []
    if signed > expected.now + _SKEW:
        ahead = span(signed - expected.now)
        return [f"t= is {ahead} ahead of this machine's clock: receivers may refuse it; set the clock (chrony)"]
    if signed < expected.sent - _SKEW:
        return [f"t= is {span(expected.sent - signed)} behind this machine's clock"]
    return []


def _tag(signature: Signature, name: str) -> str:
    return next((tag.value for tag in signature.tags if tag.name == name), "")
