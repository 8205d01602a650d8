"""A check's vocabulary: the record to look for, each server's answer, and the report with its findings and verdict."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from dkimctl.dns.resolve import Security
from dkimctl.findings import Finding, Severity, severity_order
from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey
from dkimctl.names import DOMAINKEY, printable
from dkimctl.record.model import KeyRecord


class Target(NamedTuple):
    """A key record to look for."""

    selector: str
    domain: str
    expected: PublicKey | None = None
    """The key that must be in the record; None to judge any key."""
    tags: Tags | None = None
    """The tags the record was made with, where they are known."""
    subdomains: bool = False
    """True when mail of sub-domains is signed with this key."""
    alias: str = ""
    """Where the CNAME of a delegated domain must lead; empty when the record belongs at the owner name itself."""
    unread: Finding | None = None
    """Why the domain's keys could not be read: nothing is asked then, and the selector is empty."""

    @property
    def owner(self) -> str:
        """`<selector>._domainkey.<domain>`, without final dot; it may be too long for DNS, which is a finding."""
        return f"{self.selector}.{DOMAINKEY}.{self.domain}" if self.selector else self.domain


class AnswerState(StrEnum):
    """The kind of a server's answer."""

    TEXT = "text"
    ALIAS = "alias"
    NO_NAME = "no such name"
    NO_TEXT = "no TXT record"
    LAME = "not authoritative"
    SILENT = "no answer"
    NEEDS_TCP = "needs TCP"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The answer of one address of one server about one name."""

    name: str
    """The name that was asked for: the owner name, or where a CNAME led."""
    server: str
    """The server's host name; for a resolver its address."""
    address: str
    """With the port where it is not 53."""
    state: AnswerState
    texts: tuple[str, ...] = ()
    """Each TXT record with its strings joined; octets above 127 as Latin-1."""
    alias: str = ""
    """The target of a CNAME; a dot for the root."""
    ttl: int | None = None
    """Seconds; at a resolver what is left of it, of an answer that there is nothing too (RFC 2308 §5)."""
    why: str = ""
    """What hindered it, in words."""
    over_tcp: bool = False
    edns: bool = True
    serial: int | None = None
    """The SOA serial at this server, where it was asked."""
    milliseconds: float = 0.0
    dname: str = field(default="", repr=False)
    """The name at which a DNAME made the CNAME (RFC 6672)."""

    @property
    def has_answered(self) -> bool:
        """Return whether it said with authority what is at the name."""
        return self.state in (AnswerState.TEXT, AnswerState.ALIAS, AnswerState.NO_NAME, AnswerState.NO_TEXT)

    @property
    def in_short(self) -> str:
        """The answer in a few words."""
        if self.alias:
            return f"a CNAME to {printable(self.alias)}"
        if len(self.texts) > 1:
            return f"{len(self.texts)} records"
        if self.texts:
            text = self.texts[0]
            return f"{len(text)} octets ending in …{printable(text[-12:])}"
        return printable(self.why, 200) or self.state.value

    @property
    def content(self) -> tuple[str, ...]:
        """The part of the answer that all servers must agree on."""
        return (f"CNAME {self.alias}",) if self.alias else tuple(sorted(self.texts))


class Verdict(StrEnum):
    """All findings of one name in a word."""

    RIGHT = "right"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one target."""

    target: Target = field(repr=False)
    domain: str
    selector: str
    owner: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    """The worst first."""
    zone: str = ""
    dnssec: Security = Security.UNKNOWN
    answers: tuple[ServerAnswer, ...] = ()
    """Of the authoritative servers; where a CNAME leads elsewhere, those of every step."""
    resolvers: tuple[ServerAnswer, ...] = ()
    """With `recursive`: what the resolvers hold."""
    text: str | None = None
    """The record that was found, when there is exactly one everywhere."""
    record: KeyRecord | None = None
    publish: str | None = None
    """The exact text to publish, when something about the record is wrong and the right one is known."""
    publish_at: str = ""
    """The name to publish it at: the owner name, or the end of its CNAMEs."""

    @property
    def is_right(self) -> bool:
        """Return whether every authoritative server was asked and serves one right record."""
        return self.verdict is Verdict.RIGHT


def in_brief(report: Report) -> Report:
    """Return a right report without what only a full one shows, and without its owner in the findings."""
    if not report.is_right:
        return report
    findings = tuple(replace(finding, subject="") for finding in report.findings)
    return replace(report, findings=findings, answers=(), text=None, record=None)


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return the findings without repeats, the worst first."""
    return tuple(sorted(dict.fromkeys(findings), key=severity_order))


def verdict_of(findings: tuple[Finding, ...]) -> Verdict:
    """Wrong as soon as an error is known; else unknown when something could not be asked."""
    severities = {f.severity for f in findings}
    if Severity.ERROR in severities:
        return Verdict.WRONG
    return Verdict.UNKNOWN if Severity.UNKNOWN in severities else Verdict.RIGHT
