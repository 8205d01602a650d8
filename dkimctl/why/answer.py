"""The answer of `why`: what becomes of one mail, and each decision that led there."""

from dataclasses import dataclass, field
from enum import StrEnum

from dkimctl.findings import Severity
from dkimctl.keys.public import PublicKey


class MailOutcome(StrEnum):
    """What becomes of the mail."""

    SIGNED = "signed"
    UNSIGNED = "not signed"
    DEFERRED = "deferred"
    """Answered 4xx: the sender's queue keeps it."""
    REJECTED = "rejected"
    """Answered 550: lost."""
    CRASH = "crash"
    """The daemon dies of it."""
    NOT_STARTED = "no daemon"
    """It does not start with this configuration."""
    UNKNOWN = "not known"
    """Something on the way could not be looked at."""


@dataclass(frozen=True, slots=True)
class WhyStep:
    """One decision on the way."""

    topic: str
    """client, sender, key, file, DMARC …"""
    text: str
    """With file and line."""


@dataclass(frozen=True, slots=True)
class Signing:
    """One signature that the mail gets."""

    domain: str
    selector: str
    path: str
    algorithm: str
    is_valid: bool
    """False when the daemon makes a signature that never verifies."""
    is_aligned: bool
    """True when it counts for DMARC (relaxed alignment)."""
    key: PublicKey | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Mail:
    """Whose mail, and from where."""

    sender: str
    """The first address in From: that decides, not the envelope."""
    client: str = "127.0.0.1"
    """Address of the SMTP client."""
    name: str = "localhost"
    """Its name as Postfix found it; `unknown` without one."""
    login: str = ""
    """SMTP AUTH; empty without."""


@dataclass(frozen=True, slots=True)
class WhyAnswer:
    """What becomes of the mail, and each decision that led there."""

    mail: Mail
    outcome: MailOutcome
    reason: str
    """In one line; empty when it is signed."""
    steps: tuple[WhyStep, ...]
    signatures: tuple[Signing, ...] = ()


class Decided(Exception):
    """The daemon looks no further."""

    def __init__(self, outcome: MailOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def severity_of(outcome: MailOutcome) -> Severity:
    """How bad an outcome is."""
    if outcome is MailOutcome.SIGNED:
        return Severity.OK
    return Severity.UNKNOWN if outcome is MailOutcome.UNKNOWN else Severity.ERROR
