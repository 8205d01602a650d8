"""What was found out about a signature, key records, a message or a mailbox."""

from dataclasses import dataclass

from dkimctl.dkim.check import SignatureOutcome
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.words import Tag
from dkimctl.findings import Finding


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature, or another field that is named and explained but not verified."""

    field: str
    line: int
    """Of the file."""
    tags: tuple[Tag, ...]
    named: str = ""
    """What it is, when it is no DKIM-Signature."""
    problems: tuple[str, ...] = ()
    """What is wrong with its form."""
    outcome: SignatureOutcome | None = None
    """None when it was not to be verified: without the message, or no DKIM-Signature."""
    more_tags: int = 0
    """Tags that are too many to be explained."""


@dataclass(frozen=True, slots=True)
class Record:
    """One key record of several."""

    text: str
    tags: tuple[Tag, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything about it."""

    kind: Kind
    signatures: tuple[Signature, ...] = ()
    """Of a message, from the top."""
    tags: tuple[Tag, ...] = ()
    """Of a key record; of the first one where there are several."""
    findings: tuple[Finding, ...] = ()
    """About a key record, or about all of several."""
    author: str = ""
    """`From:` of a message."""
    size: int = 0
    """Octets of a message."""
    passed_over: int = 0
    """Signatures or messages that were too many to verify."""
    left_out: tuple[str, ...] = ()
    """What was not looked at, in words."""
    looks: str = ""
    """What the input looks like, where it is more than the text of a record."""
    remarks: tuple[str, ...] = ()
    """What should be known about the input."""
    records: tuple[Record, ...] = ()
    """Each key record, where there are several."""
    messages: "tuple[Inspection, ...]" = ()
    """Of a mailbox."""
