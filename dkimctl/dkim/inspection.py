"""The result of inspecting a signature, key records, a message or a mailbox."""

from dataclasses import dataclass

from dkimctl.dkim.check import SignatureOutcome
from dkimctl.dkim.recognise import Kind
from dkimctl.dkim.tag_explanations import Tag
from dkimctl.findings import Finding


@dataclass(frozen=True, slots=True)
class Signature:
    """A DKIM-Signature, or another field that is named and explained but not verified."""

    field: str
    line: int
    """Line number in the file."""
    tags: tuple[Tag, ...]
    named: str = ""
    """Kind of the field, when it is not a DKIM-Signature."""
    problems: tuple[str, ...] = ()
    """Faults of its form."""
    outcome: SignatureOutcome | None = None
    """None when it was not verified: without a message, or not a DKIM-Signature."""
    more_tags: int = 0
    """Number of tags that were not explained."""


@dataclass(frozen=True, slots=True)
class Record:
    """A key record among several in one text."""

    text: str
    tags: tuple[Tag, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything found about the input."""

    kind: Kind
    signatures: tuple[Signature, ...] = ()
    """Signatures of a message, from the top."""
    tags: tuple[Tag, ...] = ()
    """Tags of a key record; of the first one where there are several."""
    findings: tuple[Finding, ...] = ()
    """About the key record, or about all of several."""
    author: str = ""
    """`From:` of a message."""
    size: int = 0
    """Octets of a message."""
    passed_over: int = 0
    """Signatures or messages that were too many to verify."""
    left_out: tuple[str, ...] = ()
    """What was skipped, as text."""
    looks: str = ""
    """The recognised format of the input, other than the text of a record."""
    remarks: tuple[str, ...] = ()
    """Remarks about the input."""
    records: tuple[Record, ...] = ()
    """Each key record, where there are several."""
    messages: "tuple[Inspection, ...]" = ()
    """Messages of a mailbox."""
