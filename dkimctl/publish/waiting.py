"""Wait until every authoritative server serves the published records, for any number of names at once."""

from base64 import b64decode
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dkimctl.catalogue import CATALOGUE, delivery
from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Unavailable, shell_word
from dkimctl.findings import Finding, Severity
from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey, decode_public_key
from dkimctl.providers.base import KnowsNameServers, Provider
from dkimctl.publish.plan import Wanted
from dkimctl.publish.record_match import RecordMatch, match_record

if TYPE_CHECKING:
    from dkimctl.verify.polling import Polling
    from dkimctl.verify.report import Report, Target


class Waiting:
    """Published names that are polled until each is served everywhere. `timeout`: seconds for each, from its `add`."""

    def __init__(self, settings: Settings, clock: Clock, timeout: float) -> None:
        self.timeout = timeout
        self._settings = settings
        self._clock = clock
        self._wanted: dict[str, Wanted] = {}
        """The owner name that verifiers query (in a delegated domain the customer's CNAME) → the wanted record."""
        self._polling: Polling | None = None

    def __bool__(self) -> bool:
        return self._polling is not None and bool(self._polling)

    def __contains__(self, wanted: Wanted) -> bool:
        return self._polling is not None and wanted.owner in self._polling

    @property
    def due_in(self) -> float:
        """The seconds until the next round."""
        return self._polling.due_in if self._polling else 0.0

    @property
    def accepts_resolvers(self) -> bool:
        """Return whether what resolvers serve can prove a record: two that the user named."""
        return len(self._settings.lookup.nameservers) > 1

    def add(self, wanted: Wanted) -> None:
        """Wait for one more name."""
        from dkimctl.verify.polling import Polling

        self._wanted[wanted.owner] = wanted
        if self._polling is None:
            self._polling = Polling(self._settings.lookup, self._clock, self.timeout, self._is_served)
        self._polling.add(_target(wanted))

    def drop(self, wanted: Wanted) -> None:
        """Stop waiting for a name."""
        if self._polling is not None:
            self._polling.drop(wanted.owner)
            self._wanted.pop(wanted.owner, None)

    def poll(self) -> Iterator[tuple[Wanted, "Report", bool]]:
        """Check the names that are due. Return each with its report and whether it is served.

        Names that are served or overdue are dropped.
        """
        if self._polling is None:
            return
        for report, served in self._polling.round():
            is_over = report.owner not in self._polling
            yield (self._wanted.pop if is_over else self._wanted.__getitem__)(report.owner), report, served

    def _is_served(self, report: "Report") -> bool:
        return is_served(self._wanted[report.owner], report)


def _target(wanted: Wanted) -> "Target":
    from dkimctl.verify.report import Target

    alias = "" if wanted.name == wanted.owner else wanted.name
    record = wanted.record
    tags = Tags(record.get("h"), record.get("s"), record.get("t"), record.get("n"))
    return Target(wanted.selector, wanted.domain, _public_key(wanted), tags, alias=alias)


def is_served(wanted: Wanted, report: "Report") -> bool:
    """Return whether every authoritative server answered, with exactly the wanted record and no other.

    A flaw of the wanted record itself, such as a weak key, is the same at every server and does not count.
    """
    if report.is_right or wanted.name != wanted.owner:
        return report.is_right
    return report.text is not None and _is_same(report.text, wanted) and not any(map(_is_about_dns, report.findings))


def _is_about_dns(found: Finding) -> bool:
    """Return whether a server lacks the record, could not be queried, or fails DNSSEC."""
    return found.severity in (Severity.ERROR, Severity.UNKNOWN) and CATALOGUE[found.code].about_dns


def count_serving(wanted: Wanted, report: "Report") -> int:
    """Return how many addresses of name servers serve exactly the wanted record and no other."""
    last = {answer.name for answer in report.answers[-1:]}
    return sum(
        answer.name in last and len(answer.texts) == 1 and _is_same(answer.texts[0], wanted)
        for answer in report.answers
    )


def not_served(wanted: Wanted, report: "Report", timeout: float) -> Unavailable:
    """Return the error for a name that was not served in time."""
    worst = only_resolvers(report) or (report.findings[0] if report.findings else None)
    why = f"{worst.title} ({worst.seen})" if worst else "no name server was queried"
    check = f"dkimctl verify-dns {shell_word(wanted.domain)}"
    hint = f"name servers may need longer: check again with {check}, or raise --timeout"
    if worst and worst.severity is Severity.UNKNOWN:  # more time does not help: the finding names the cause
        hint = worst.fix
    return Unavailable(f"not served everywhere after {timeout:g} s: {why}", hint=hint)


def only_resolvers(report: "Report") -> Finding | None:
    """Return the finding that no authoritative server can be reached from here; None when some can."""
    return next((found for found in report.findings if found.code == delivery.ONLY_RESOLVERS.code), None)


def served_elsewhere(provider: Provider, zone: str, report: "Report") -> Unavailable | None:
    """Return the error for a record that DNS will never serve: a zone cut above it, or other servers for the zone."""
    if zone and not report.target.alias and report.zone.endswith(f".{zone}"):
        return Unavailable(
            f"in DNS {report.zone} is a zone of its own: records published in {zone} are not visible there",
            hint=f"publish it at the provider of {report.zone}, or remove the NS records of {report.zone} from {zone}",
        )
    if not zone or not isinstance(provider, KnowsNameServers):
        return None
    try:
        theirs = set(provider.name_servers(zone))
    except DkimctlError:  # only an explanation is lost: the name is not served either way
        return None
    asked = {answer.server for answer in report.answers}
    if not theirs or not asked or theirs & asked:
        return None
    return Unavailable(
        f"{zone} is served by {', '.join(sorted(asked))}, not by {provider.name}'s {', '.join(sorted(theirs))}",
        hint=f"publish it at the provider of those servers, or delegate the zone to {provider.name}'s",
    )


def _public_key(wanted: Wanted) -> PublicKey | None:
    value = wanted.record.get("p")
    key = decode_public_key(wanted.record.get("k", "rsa"), b64decode(value)) if value else None
    return key if isinstance(key, PublicKey) else None


def _is_same(text: str, wanted: Wanted) -> bool:
    return match_record(text, wanted.record) is RecordMatch.SAME
