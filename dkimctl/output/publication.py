"""Publications as they end: a line each, the plan of a dry run, or the record to paste; then a summary."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from dkimctl.clock import SYSTEM_CLOCK, Clock
from dkimctl.errors import DkimctlError
from dkimctl.names import printable
from dkimctl.output.layout import Block, Line, Prose, Tone, heading, labelled, message
from dkimctl.output.machine import line
from dkimctl.output.panels import to_paste
from dkimctl.output.progress import Meter
from dkimctl.output.publication_value import PublicationValue, publication_value
from dkimctl.output.terminal import Terminal
from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.publish.plan_digest import PlanDigest
from dkimctl.publish.publication import Event, Progress, Publication, PublishOutcome
from dkimctl.publish.stop import Interrupted

_NOT_DONE = "not done"
_INDENT = 10
_FEW = 3  # names in one line
_HEAD, _TAIL = 42, 26  # characters of a record's text in a plan: keys of one kind and size all begin alike


class PublicationView:
    """Shows events while they happen; `end` prints the summary. Without --json only names are kept in memory.

    `lines`: print a JSON document on a line for each name that ended. `total`: how many names there are. The caller
    keeps `meter` open while events arrive.
    """

    def __init__(self, terminal: Terminal, *, lines: bool = False, total: int = 0, clock: Clock = SYSTEM_CLOCK) -> None:
        self._terminal = terminal
        self._lines = lines
        self.meter = Meter(terminal, "names", total=total, clock=clock)
        self._ended: dict[str, Ended] = {}
        self._document: dict[str, PublicationValue] = {}
        self._plan: PlanDigest | None = None
        self._shown: DkimctlError | None = None

    def event(self, event: Event) -> None:
        """Show a step, or how one name ended. Raises KeyboardInterrupt when nobody reads the results."""
        if isinstance(event, Progress):
            self.meter.step(f"{event.subject}: {event.text}")
            self.meter.advance(0)
            return
        self._ended[event.name] = _ended(event)
        if event.outcome is PublishOutcome.PLANNED:
            self._plan = self._plan or PlanDigest()
            self._plan.add(event.provider, event.zone, event.name, event.changes)
        if self._lines:
            self._show_line(event)
        elif self._terminal.json:
            self._document[event.name] = publication_value(event)
        if event.error:
            self._failure(event, event.error)
        elif not self._lines:
            # a reader who has seen enough of a plan interrupts nothing
            show = self._terminal.show if event.outcome is PublishOutcome.PLANNED else self._terminal.step
            show(publication_blocks(event))
        self.meter.advance(1)

    def _show_line(self, publication: Publication) -> None:
        show = self._terminal.result if publication.outcome is PublishOutcome.PLANNED else self._terminal.line_step
        show(line("publication", publication_value(publication)))

    def _failure(self, publication: Publication, error: DkimctlError) -> None:
        """Show an error once that many names share, such as a zone's; an interruption only in the summary."""
        if error is self._shown or isinstance(error, Interrupted):
            return
        self._shown = error
        subject = "" if error.message.startswith(publication.name) else f"{publication.name}: "
        self._terminal.failure(DkimctlError(subject + error.message, hint=error.hint))

    def end(self) -> int:
        """Print the summary and the JSON document. Return the exit code: the worst of all."""
        ended = list(self._ended.values())
        more: dict[str, object] = {"changed": any(one.is_change for one in ended)}
        if self._plan:
            more["plan_digest"] = self._plan.text
            if not self._lines:
                self._terminal.show([message(f"plan digest: {self._plan.text}")])
            instead = f"--plan-digest {self._plan.text} instead of --dry-run"
            self._terminal.note(f"to do exactly this: the same command with {instead}")
        if len(ended) > 1 or any(one.exit_code for one in ended):
            for text in _summary(self._ended):
                self._terminal.note(text)
        if any(one.is_by_hand for one in ended):
            self._terminal.note("add it, then check that it is served: the same command with --wait")
        self._terminal.document("publications", list(self._document.values()), **more)
        return max((one.exit_code for one in ended), default=0)


@dataclass(frozen=True, slots=True)
class Ended:
    """The part of one name's result that the summary needs."""

    group: str
    exit_code: int
    is_by_hand: bool
    is_change: bool
    """True when the record was written."""


@cache
def _same(group: str, exit_code: int, is_by_hand: bool, is_change: bool) -> Ended:
    """Return one shared value for all names with the same result: there may be a million."""
    return Ended(group, exit_code, is_by_hand, is_change)


def _ended(publication: Publication) -> Ended:
    is_by_hand = publication.outcome is PublishOutcome.BY_HAND and publication.served is None
    is_change = publication.outcome is PublishOutcome.PUBLISHED
    return _same(_group(publication), publication.exit_code, is_by_hand, is_change)


def _summary(ended: Mapping[str, Ended]) -> Iterator[str]:
    """Return the counts; failed names follow, a few in the first line, many in lines of their own."""
    groups: dict[str, list[str]] = {}
    for name, one in ended.items():
        groups.setdefault(one.group, []).append(name)
    failed = groups.pop(_NOT_DONE, [])
    parts = [f"{len(names)} {words}" for words, names in groups.items()]
    if failed:
        parts.append(f"{len(failed)} {_NOT_DONE}" + (f": {', '.join(failed)}" if len(failed) <= _FEW else ""))
    was_interrupted = any(one.exit_code == Interrupted.exit_code for one in ended.values())
    yield "; ".join(parts) + ("; run the same command again to continue" if was_interrupted else "")
    if len(failed) > _FEW:
        yield from (f"{_NOT_DONE}: {name}" for name in failed)


def _group(publication: Publication) -> str:
    if not isinstance(publication.error, Interrupted):
        return _NOT_DONE if publication.error else publication.outcome
    if publication.outcome in (PublishOutcome.PUBLISHED, PublishOutcome.UNCHANGED, PublishOutcome.BY_HAND):
        return "not seen at every name server yet"
    return publication.outcome if publication.outcome is PublishOutcome.NOT_BEGUN else _NOT_DONE


def publication_blocks(publication: Publication) -> Iterator[Block]:
    """Return how one name ended, when it ended well."""
    if publication.outcome is PublishOutcome.PLANNED:
        return _plan(publication)
    if publication.outcome is PublishOutcome.BY_HAND and publication.served is None:
        return to_paste(publication)
    outcome = (
        "published" if publication.served and publication.outcome is PublishOutcome.BY_HAND else publication.outcome
    )
    text = f"{publication.name}: {outcome}{_proof(publication)}"
    return iter([message(text)])


def _proof(publication: Publication) -> str:
    read_back = "" if publication.outcome is PublishOutcome.BY_HAND else ", read back"
    if publication.served:
        servers = f"{publication.servers} name server" + ("s" if publication.servers != 1 else "")
        if not publication.servers:
            return f"{read_back}, seen through resolvers only (weaker: no name server answers this machine)"
        return f"{read_back}, served by {servers}"
    if publication.next_step and publication.outcome is PublishOutcome.PUBLISHED:
        return f"{read_back}; now {publication.next_step}"
    return f"{read_back}; not checked at the name servers"


def _plan(publication: Publication) -> Iterator[Block]:
    yield heading(f"{publication.name} (zone {publication.zone} at {publication.provider})")
    if not publication.changes:
        yield Line("  nothing to change", Tone.OK)
    for record in publication.existing:
        if not any(record in (_before(change),) for change in publication.changes):
            yield from _record("keep", record, Tone.FAINT)
    for change in publication.changes:
        match change:
            case Create(record):
                yield from _record("create", record, Tone.ADDED)
            case Replace(before, after):
                yield from _record("change", before, Tone.REMOVED)
                yield from _record("    to", after, Tone.ADDED)
            case Delete(record):
                yield from _record("remove", record, Tone.REMOVED)


def _before(change: Change) -> ProviderRecord | None:
    match change:
        case Create():
            return None
        case Replace(before, _):
            return before
        case Delete(record):
            return record


def _record(verb: str, record: ProviderRecord, tone: Tone) -> list[Block]:
    ttl = f"ttl {record.ttl}" if record.ttl else "default ttl"
    text = record.text
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}…{text[-_TAIL:]}"
    size = f"{record.field_type}, {ttl}, {len(record.text)} characters"
    shown = Prose(printable(text, 255), " " * _INDENT, _INDENT, one_line_in_pipes=True)
    return [labelled(verb, size, _INDENT, margin=2, tone=tone), shown]
