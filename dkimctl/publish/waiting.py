"""Waiting until every authoritative server serves what was published, for any number of names at once."""

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dkimctl.catalogue import CATALOGUE
from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.findings import Finding, Severity
from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey, decode_public_key
from dkimctl.providers.base import KnowsNameServers, Provider
from dkimctl.publish.likeness import Likeness, likeness
from dkimctl.publish.plan import Wanted

if TYPE_CHECKING:
    from dkimctl.verify.report import Report, Target

_FIRST_PAUSE = 1.0  # seconds between two looks for a name; grows by half each time
_LONGEST_PAUSE = 15.0
_TOGETHER = 0.5  # seconds: names whose time comes within are looked for in one round


@dataclass(slots=True)
class _Awaited:
    wanted: Wanted
    target: "Target"
    deadline: float
    due: float
    """When to look next."""
    pause: float = _FIRST_PAUSE


@dataclass(slots=True)
class Waiting:
    """Names that are not yet seen to be served. `timeout`: seconds for each, from when it is added."""

    settings: Settings
    clock: Clock
    timeout: float
    _awaited: dict[str, _Awaited] = field(default_factory=dict)
    """By the owner name that verifiers ask for: where a domain is delegated, that of the customer's CNAME."""
    _next_round: float = 0.0

    def __bool__(self) -> bool:
        return bool(self._awaited)

    def __contains__(self, wanted: Wanted) -> bool:
        return wanted.owner in self._awaited

    @property
    def due_in(self) -> float:
        """Seconds until the next round."""
        due = min((one.due for one in self._awaited.values()), default=0.0)
        return max(0.0, max(due, self._next_round) - self.clock.monotonic())

    def add(self, wanted: Wanted) -> None:
        """Look for this one too from now on."""
        from dkimctl.verify.report import Target

        alias = "" if wanted.name == wanted.owner else wanted.name
        record = wanted.record
        tags = Tags(record.get("h"), record.get("s"), record.get("t"), record.get("n"))
        target = Target(wanted.selector, wanted.domain, _public_key(wanted), tags, alias=alias)
        now = self.clock.monotonic()
        self._awaited[wanted.owner] = _Awaited(wanted, target, now + self.timeout, now)

    def drop(self, wanted: Wanted) -> None:
        """Look for this one no more."""
        del self._awaited[wanted.owner]

    def look(self) -> Iterator[tuple[Wanted, "Report", bool]]:
        """One round over the names whose time it is: each, what was seen, whether it is served.

        The served and the overdue are awaited no more.
        """
        from dkimctl.verify.check import check

        now = self.clock.monotonic()
        awaited = {owner: one for owner, one in self._awaited.items() if one.due <= now + _TOGETHER}
        for report in check([one.target for one in awaited.values()], self.settings.lookup):
            one = awaited[report.owner]
            served = is_served(one.wanted, report)
            one.due = self.clock.monotonic() + one.pause
            if served or one.due > one.deadline:
                self.drop(one.wanted)
            one.pause = min(_LONGEST_PAUSE, 1.5 * one.pause)
            yield one.wanted, report, served
        self._next_round = self.clock.monotonic() + _TOGETHER


def is_served(wanted: Wanted, report: "Report") -> bool:
    """True when every authoritative server was asked, and serves exactly the wanted record and no other.

    What is wrong with the wanted record itself, such as a weak key, is so at every server alike.
    """
    if report.is_right or wanted.name != wanted.owner:
        return report.is_right
    return report.text is not None and _is_same(report.text, wanted) and not any(map(_is_of_dns, report.findings))


def _is_of_dns(found: Finding) -> bool:
    """Whether a server lacks the record, could not be asked, or is not believed: DKIM1xx and DKIM5xx."""
    return found.severity in (Severity.ERROR, Severity.UNKNOWN) and CATALOGUE[found.code].about_dns


def count_serving(wanted: Wanted, report: "Report") -> int:
    """How many addresses of name servers serve exactly the wanted record and no other."""
    last = {answer.name for answer in report.answers[-1:]}
    return sum(
        answer.name in last and len(answer.texts) == 1 and _is_same(answer.texts[0], wanted)
        for answer in report.answers
    )


def not_served(wanted: Wanted, report: "Report", timeout: float) -> Unavailable:
    """The error for a name whose time is over."""
    worst = report.findings[0] if report.findings else None
    why = f"{worst.title} ({worst.seen})" if worst else "no name server was asked"
    return Unavailable(
        f"not served everywhere after {timeout:g} s: {why}",
        hint=f"name servers may take longer: look again with dkimctl verify-dns {wanted.domain}, or use --timeout",
    )


def served_elsewhere(provider: Provider, zone: str, report: "Report") -> Unavailable | None:
    """The error for a record that is published in vain: another zone begins below, or other servers have this one."""
    if zone and not report.target.alias and report.zone.endswith(f".{zone}"):
        return Unavailable(
            f"in DNS {report.zone} is a zone of its own: what is published in {zone} is not seen there",
            hint=f"publish it where {report.zone} is kept, or remove its NS records from {zone}",
        )
    if not zone or not isinstance(provider, KnowsNameServers):
        return None
    try:
        theirs = set(provider.name_servers(zone))
    except DkimctlError:  # a reason more or less: the name is not served either way
        return None
    asked = {answer.server for answer in report.answers}
    if not theirs or not asked or theirs & asked:
        return None
    return Unavailable(
        f"{zone} is served by {', '.join(sorted(asked))}, not by {provider.name}'s {', '.join(sorted(theirs))}",
        hint="publish it where those servers get the zone from, or delegate the zone to the others",
    )


def _public_key(wanted: Wanted) -> PublicKey | None:
    value = wanted.record.get("p")
    key = decode_public_key(wanted.record.get("k", "rsa"), b64decode(value)) if value else None
    return key if isinstance(key, PublicKey) else None


def _is_same(text: str, wanted: Wanted) -> bool:
    return likeness(text, wanted.record) is Likeness.SAME
