"""Publications as they come: a line each, the plan of a dry run, the record to paste; then a line that sums up."""

from collections.abc import Iterator

from dkimctl.errors import DkimctlError
from dkimctl.lifecycle.interruption import Interrupted
from dkimctl.lifecycle.published import Event, Outcome, Progress, Publication
from dkimctl.output.terminal import Terminal
from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace
from dkimctl.record.text import character_strings, quoted

_SHOWN = 60  # characters of a record's text in a plan: the tags and the head of the key


class PublicationView:
    """Shows events while they happen; `end` sums up."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._final: dict[str, Publication] = {}
        self._shown_errors: set[int] = set()

    def event(self, event: Event) -> None:
        """One step on the way, or how one name ended."""
        if isinstance(event, Progress):
            self._terminal.note(f"{event.subject}: {event.text}")
            return
        self._final[event.name] = event
        if event.error:
            self._failure(event, event.error)
        else:
            self._terminal.result(publication_text(event))

    def _failure(self, publication: Publication, error: DkimctlError) -> None:
        """An error that is the same for many names, such as a zone's, is shown once; an interruption in the summary."""
        if id(error) in self._shown_errors or isinstance(error, Interrupted):
            return
        self._shown_errors.add(id(error))
        subject = "" if error.message.startswith(publication.name) else f"{publication.name}: "
        self._terminal.failure(DkimctlError(subject + error.message, hint=error.hint))

    def end(self) -> int:
        """The summary and the JSON document. Returns the exit code: the worst of all."""
        publications = list(self._final.values())
        if len(publications) > 1 or any(p.error for p in publications):
            self._terminal.note(_summary(publications))
        if any(p.outcome is Outcome.BY_HAND and p.served is None for p in publications):
            self._terminal.note("add it, then let dkimctl look for it: the same command with --wait")
        self._terminal.document("publications", [publication_value(p) for p in publications])
        return max((p.exit_code for p in publications), default=0)


def _summary(publications: list[Publication]) -> str:
    """What was done and what was not; what failed is named."""
    groups: dict[str, list[str]] = {}
    for publication in publications:
        groups.setdefault(_group(publication), []).append(publication.name)
    in_order = sorted(groups.items(), key=lambda group: group[0] == "not done")
    parts = [f"{len(names)} {words}{_names(words, names)}" for words, names in in_order]
    was_interrupted = any(isinstance(p.error, Interrupted) for p in publications)
    return "; ".join(parts) + ("; the same command goes on from there" if was_interrupted else "")


def _group(publication: Publication) -> str:
    if not isinstance(publication.error, Interrupted):
        return "not done" if publication.error else publication.outcome
    if publication.outcome in (Outcome.PUBLISHED, Outcome.UNCHANGED, Outcome.BY_HAND):
        return "not seen at every name server yet"
    return publication.outcome if publication.outcome is Outcome.NOT_BEGUN else "not done"


def _names(words: str, names: list[str]) -> str:
    if words == "not done":
        return ": " + (", " if len(names) < 4 else "\n  ").join(names)
    return ""


def publication_text(publication: Publication) -> str:
    """How one name ended, when it ended well. Ends with a line feed."""
    if publication.outcome is Outcome.PLANNED:
        return "\n".join(_plan_lines(publication)) + "\n"
    if publication.outcome is Outcome.BY_HAND and publication.served is None:
        return _to_paste(publication)
    outcome = "published" if publication.served and publication.outcome is Outcome.BY_HAND else publication.outcome
    return f"{publication.name}: {outcome}{_proof(publication)}\n"


def _proof(publication: Publication) -> str:
    read_back = "" if publication.outcome is Outcome.BY_HAND else ", read back"
    if publication.served:
        servers = f"{publication.servers} name server" + ("s" if publication.servers != 1 else "")
        return f"{read_back}, served by {servers}"
    if publication.next_step and publication.outcome is Outcome.PUBLISHED:
        return f"{read_back}; now {publication.next_step}"
    return f"{read_back}; nobody looked whether it is served"


def _plan_lines(publication: Publication) -> Iterator[str]:
    yield f"{publication.name} (zone {publication.zone} at {publication.provider})"
    if not publication.changes:
        yield "  nothing to change"
    for change in publication.changes:
        match change:
            case Create(record):
                yield f"  create  {_record_line(record)}"
            case Replace(before, after):
                yield f"  change  {_record_line(before)}"
                yield f"      to  {_record_line(after)}"
            case Delete(record):
                yield f"  remove  {_record_line(record)}"


def _record_line(record: ProviderRecord) -> str:
    ttl = f"ttl {record.ttl}" if record.ttl else "default ttl"
    text = record.text if len(record.text) <= _SHOWN else record.text[:_SHOWN] + "…"
    return f"{record.field_type}, {ttl}, {len(record.text)} characters\n          {text}"


def _to_paste(publication: Publication) -> str:
    """The fields of a panel's form, and a line for a zone file; each value can be copied as a whole line."""
    strings = " ".join(quoted(part) for part in character_strings(publication.text))
    return (
        f"{publication.name}: add this record where the zone of {publication.domain} is kept\n"
        f"\n"
        f"name   {publication.name.removesuffix('.' + publication.domain)}\n"
        f"       (or {publication.name}, where the form does not add the domain)\n"
        f"type   TXT (at OVH: DKIM, because the form for TXT cuts the value)\n"
        f"value  {publication.text}\n"
        f"\n"
        f"the same as a line of a zone file:\n"
        f"{publication.name}. IN TXT {strings}\n"
    )


def publication_value(publication: Publication) -> dict[str, object]:
    """One publication for programs."""
    error = publication.error
    return {
        "domain": publication.domain,
        "selector": publication.selector,
        "name": publication.name,
        "provider": publication.provider,
        "zone": publication.zone or None,
        "outcome": publication.outcome,
        "record": publication.text,
        "changes": [_change_value(change) for change in publication.changes],
        "activated": publication.activated,
        "served": publication.served,
        "servers": publication.servers,
        "next_step": publication.next_step or None,
        "error": {"message": error.message, "hint": error.hint, "exit_code": error.exit_code} if error else None,
    }


def _change_value(change: Change) -> dict[str, object]:
    match change:
        case Create(record):
            return {"action": "create", "before": None, "after": _record_value(record)}
        case Replace(before, after):
            return {"action": "replace", "before": _record_value(before), "after": _record_value(after)}
        case Delete(record):
            return {"action": "delete", "before": _record_value(record), "after": None}


def _record_value(record: ProviderRecord) -> dict[str, object]:
    return {"type": record.field_type, "ttl": record.ttl or None, "text": record.text}
