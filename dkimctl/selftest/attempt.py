"""What became of one message of the selftest, and why."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from dkimctl.dkim.check import SignatureOutcome
from dkimctl.dkim.check import SignatureVerdict as Judged
from dkimctl.dkim.explain import explain
from dkimctl.dkim.mail import parse_mail
from dkimctl.dkim.signature import FIELD, FindRecord, verify
from dkimctl.dkim.tag_explanations import moment, span
from dkimctl.dkim.usable_key import every
from dkimctl.errors import DkimctlError, Unavailable, shell_word
from dkimctl.record.taglist import TagList, parse_signature_tags
from dkimctl.selftest.cases import Case

_SKEW = timedelta(seconds=2)  # t= counts whole seconds, and the message takes a moment


class AttemptState(StrEnum):
    """The result of one test message."""

    SIGNED = "signed"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Attempt:
    """A test message and its result."""

    domain: str
    case: str
    sender: str
    state: AttemptState
    seen: str
    """In a line: who signed it, or what is wrong."""
    hint: str = ""
    remarks: tuple[str, ...] = ()
    """What should be known although it is signed."""
    selectors: tuple[str, ...] = ()
    """`s=` of each signature that holds."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected result of a test message."""

    domain: str
    """The signing domain."""
    find_record: FindRecord
    sent: datetime
    now: datetime
    after: str = ""
    """What handles mail after the signing daemon, in words; empty when nothing does."""


def assess(case: Case, raw: bytes, expected: Expected) -> Attempt:
    """Judge a message as it came out: its signatures verified by dkimpy, and for one that fails what was changed."""
    found = [parse_signature_tags(field.value.decode("latin-1")) for field in parse_mail(raw).named(FIELD)]
    if not found:
        return attempt(case, expected, AttemptState.WRONG, "it came out without a signature", hint=why_hint(case))
    if all(tags.get("d").lower() != expected.domain for tags in found):
        seen = f"signed with d={found[0].get('d')}, which is not {expected.domain}: DMARC looks at that"
        return attempt(case, expected, AttemptState.WRONG, seen, hint=why_hint(case))
    try:
        verified = verify(raw, expected.find_record)
    except Unavailable as error:
        return attempt(case, expected, AttemptState.UNKNOWN, error.message, hint=error.hint)
    good = [t for t, s in zip(found, verified, strict=True) if s.valid and t.get("d").lower() == expected.domain]
    broken = [] if all(s.valid for s in verified) else _broken(raw, expected, [s.valid for s in verified])
    if not good:
        return _failed(case, expected, broken)
    remarks = (*_duplicates(found), *_clock(good[0], expected), *(f"another one fails: {b.why}" for b in broken))
    seen = "signed by " + " and ".join(f"{tags.get('s')} (d={tags.get('d')})" for tags in good)
    state = AttemptState.WARNING if remarks else AttemptState.SIGNED
    return attempt(case, expected, state, seen, remarks=remarks, selectors=tuple(tags.get("s") for tags in good))


def attempt(
    case: Case,
    expected: Expected,
    state: AttemptState,
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
    state = AttemptState.UNKNOWN if isinstance(error, Unavailable) else AttemptState.WRONG
    return attempt(case, expected, state, error.message, hint=error.hint)


def why_hint(case: Case) -> str:
    """The command that shows why mail from this sender is not signed."""
    return f"see why: sudo dkimctl why {shell_word(case.message.sender)}"


@dataclass(frozen=True, slots=True)
class _Broken:
    """A signature that does not verify."""

    domain: str
    selector: str
    outcome: SignatureOutcome

    @property
    def why(self) -> str:
        return f"the signature by {self.selector} of {self.domain} fails: " + (
            "; ".join(self.outcome.reasons) or "dkimpy does not accept it"
        )


def _broken(raw: bytes, expected: Expected, valid: list[bool]) -> list[_Broken]:
    """The signatures that dkimpy does not accept, each looked at closely."""
    explained = [s for s in explain(raw, every(expected.find_record), expected.now).signatures if not s.named]
    found = []
    for signature, is_valid in zip(explained, valid, strict=False):
        if signature.outcome and not is_valid:
            tags = {tag.name: tag.value for tag in signature.tags}
            found.append(_Broken(tags.get("d", ""), tags.get("s", ""), signature.outcome))
    return found


def _failed(case: Case, expected: Expected, broken: list[_Broken]) -> Attempt:
    own = next((b for b in broken if b.domain.lower() == expected.domain), None)
    if own is None:
        return attempt(case, expected, AttemptState.WRONG, "too many signatures to look at", hint=why_hint(case))
    outcome = own.outcome
    if outcome.verdict is Judged.UNKNOWN:
        return attempt(case, expected, AttemptState.UNKNOWN, "; ".join(outcome.reasons), hint=outcome.hint)
    if not case.is_legal and outcome.header_fits and not outcome.body_fits:
        hint = "such mail is against RFC 5322 §2.1.1; let what writes it encode it (quoted-printable or base64)"
        return attempt(case, expected, AttemptState.WARNING, own.why, hint=hint)
    changed = False in (outcome.body_fits, outcome.header_fits)
    hint = f"after the daemon comes {expected.after}" if changed and expected.after else outcome.hint
    return attempt(case, expected, AttemptState.WRONG, own.why, hint=hint)


def _duplicates(found: list[TagList]) -> list[str]:
    counts = Counter((tags.get("d"), tags.get("s"), tags.get("a")) for tags in found)
    return [
        f"signed {count} times by {selector} of {domain}: the daemon is asked {count} times, or two sign"
        for (domain, selector, _), count in counts.items()
        if count > 1
    ]


def _clock(tags: TagList, expected: Expected) -> list[str]:
    """The signer's clock against ours (the article: "Signature date is -19 seconds in the future")."""
    signed = moment(tags.get("t"))
    if signed is None:
        return []
    if signed > expected.now + _SKEW:
        ahead = span(signed - expected.now)
        return [f"t= is {ahead} ahead of this machine's clock: receivers may refuse it; set the clock (chrony)"]
    if signed < expected.sent - _SKEW:
        return [f"t= is {span(expected.sent - signed)} earlier than this machine's clock"]
    return []
