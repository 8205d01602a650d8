"""The answer of `why`: the outcome of one mail, with each decision."""

from dataclasses import dataclass, field
from enum import StrEnum

from dkimctl.findings import Severity
from dkimctl.keys.public import PublicKey


class MailOutcome(StrEnum):
    """The outcome of a mail."""

    SIGNED = "signed"
    UNSIGNED = "not signed"
    DEFERRED = "deferred"
    """Answered 4xx: the mail stays in the sender's queue."""
    REJECTED = "rejected"
    """Answered 550: lost."""
    CRASH = "crash"
    """The daemon crashes."""
    NOT_STARTED = "no daemon"
    """The daemon does not start with this configuration."""
    UNKNOWN = "not known"
    """A file that decides could not be read."""


@dataclass(frozen=True, slots=True)
class WhyStep:
    """A decision of the daemon, with its reason."""

    topic: str
    """client, sender, key, file, DMARC …"""
    text: str
    """With file and line."""


@dataclass(frozen=True, slots=True)
class Signing:
    """A signature that the mail gets."""

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
    """A mail: its sender and client."""

    sender: str
    """The first address in From:, which decides; the envelope does not matter."""
    client: str = "127.0.0.1"
    """Address of the SMTP client."""
    name: str = "localhost"
    """The client's host name as Postfix found it; `unknown` without one."""
    login: str = ""
    """SMTP AUTH login; empty without."""


@dataclass(frozen=True, slots=True)
class WhyAnswer:
    """The outcome of a mail, with each decision."""

    mail: Mail
    outcome: MailOutcome
    reason: str
    """In one line; empty when it is signed."""
    steps: tuple[WhyStep, ...]
    signatures: tuple[Signing, ...] = ()


class Decided(Exception):
    """Raised when the outcome is decided."""

    def __init__(self, outcome: MailOutcome, reason: str, *, is_sure: bool = False) -> None:
        """`is_sure`: whichever client hands the mail in, and whatever macros go with it."""
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.is_sure = is_sure or outcome is MailOutcome.UNSIGNED


def severity_of(outcome: MailOutcome) -> Severity:
    """Return the severity of an outcome."""
    if outcome is MailOutcome.SIGNED:
        return Severity.OK
    return Severity.UNKNOWN if outcome is MailOutcome.UNKNOWN else Severity.ERROR
