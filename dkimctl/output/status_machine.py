"""The status of every key for monitoring: Nagios and Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from heapq import merge
from operator import attrgetter

from dkimctl.findings import Severity, severity_order
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.key_status import KeyStatus, by_domain
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.status import Status
from dkimctl.names import counted
from dkimctl.output.nagios import BAD, STATES, exit_code, plain, plugin_text, problem_line
from dkimctl.output.prometheus import finding_counts, head, labels, last_check, unix_time

_NAMED = 20  # domains that get a line of their own


def nagios_exit_code(status: Status) -> int:
    """Return the plug-in's exit code: that of the findings, at least WARNING where a person has something to do."""
    severities = {found.severity for found in status.findings}
    return exit_code({*severities, Severity.WARNING} if _unsigned(status) or _for_person(status) else severities)


def _why_waits(step: NextStep) -> str:
    if step.step is None:
        return "; ".join(filter(None, (step.reason, step.waits_for)))
    return f"{step.step} {step.selector}".rstrip() + f": {step.waits_for}" if step.is_due else step.waits_for


def nagios_text(status: Status, *, verbose: bool = False) -> str:
    """Return the output of a Nagios plug-in; if `verbose`, with a line for each problem of the first domains."""
    unsigned, phases = _unsigned(status), Counter(key.phase for key in status.keys)
    signing = sum(_signs(keys) for _, keys in by_domain(status.keys))
    bad = [found for found in sorted(status.findings, key=severity_order) if found.severity in BAD]
    counts = (f"{signing} signing", f"{len(unsigned)} without an active key", counted(len(bad), "finding"))
    data = " ".join(f"{phase.value}={phases[phase]}" for phase in Phase)
    by_person = _for_person(status)
    problems = [problem_line(found) for found in bad]
    problems += [plain(f"{step.domain}: {_why_waits(step)}") for step in by_person[:_NAMED]]
    problems += [plain(f"{domain}: no active key{_hint(then)}") for domain, then in list(unsigned.items())[:_NAMED]]
    untold = len(bad) + len(by_person) + len(unsigned) - len(problems)
    head = f"KEYS {STATES[nagios_exit_code(status)]} - {', '.join(counts)}"
    return plugin_text(head, data, problems, untold=untold, verbose=verbose)


def _hint(then: str | None) -> str:
    return f"; next: {then}" if then else ""


def _for_person(status: Status) -> list[NextStep]:
    """Return the next steps that nobody but a person takes."""
    return [step for step in status.steps if step.needs_person]


def _unsigned(status: Status) -> dict[str, str | None]:
    """Return the domains that have no active key and are not deleted, each with the command that is next."""
    found: dict[str, str | None] = {line.domain: line.next for line in status.keyless}
    deleted = frozenset(status.deleted)
    for domain, keys in by_domain(status.keys):
        if not (domain in deleted or _signs(keys)):
            found[domain] = next((key.next for key in keys if key.next), None)
    return found


def _signs(keys: Iterable[KeyStatus]) -> bool:
    return any(key.phase is Phase.ACTIVE for key in keys)


def prometheus_lines(status: Status, now: datetime) -> Iterator[str]:
    """Yield metrics in the text format, for the textfile collector of node_exporter."""
    yield head("dkimctl_key_info", "The kind, the phase and the provider of a key; always 1.")
    yield from (f"dkimctl_key_info{_info(key)} 1\n" for key in status.keys)
    yield head("dkimctl_key_created_timestamp_seconds", "When the key was made; absent where it is not known.")
    yield from _moments("dkimctl_key_created_timestamp_seconds", status, attrgetter("created"))
    yield head("dkimctl_key_phase_timestamp_seconds", "When the key came into its phase; absent where not noted.")
    yield from _moments("dkimctl_key_phase_timestamp_seconds", status, attrgetter("since"))
    yield from _proofs(status)
    yield head("dkimctl_domain_active", "1 when the domain has a key that signs; absent for a deleted one.")
    unsigned = _unsigned(status)
    deleted = frozenset(status.deleted)
    signing = (domain for domain, _ in by_domain(status.keys) if not (domain in deleted or domain in unsigned))
    for domain in merge(signing, sorted(unsigned)):
        yield f"dkimctl_domain_active{labels(domain=domain)} {int(domain not in unsigned)}\n"
    yield from _steps(status)
    yield head("dkimctl_rotate_last_run_timestamp_seconds", "When rotate last checked everything; absent before.")
    if (last := unix_time(status.last_run)) is not None:
        yield f"dkimctl_rotate_last_run_timestamp_seconds {last}\n"
    counts = Counter((found.code, found.severity) for found in status.findings)
    yield from finding_counts("dkimctl_status_findings", "What dkimctl status found, by code.", counts)
    yield last_check("dkimctl_status_last_check_timestamp_seconds", now)


def _proofs(status: Status) -> Iterator[str]:
    name = "dkimctl_key_served_timestamp_seconds"
    yield head(name, "When every name server was last seen to serve the key's record.")
    yield from _moments(name, status, attrgetter("served"))
    name = "dkimctl_key_proven_timestamp_seconds"
    yield head(name, "When a message signed with the key was last verified.")
    yield from _moments(name, status, attrgetter("proven"))


def _steps(status: Status) -> Iterator[str]:
    name = "dkimctl_domain_next_step_timestamp_seconds"
    yield head(name, "When the next step in the life of the domain's keys comes; absent where it is due or not known.")
    for step in status.steps:
        at = unix_time(step.at)
        if at is not None and step.step is not None:
            yield f"{name}{labels(domain=step.domain, selector=step.selector, step=step.step.value)} {at}\n"
    name = "dkimctl_domain_needs_person"
    yield head(name, "1 when the next step waits for a person.")
    yield from (f"{name}{labels(domain=step.domain)} {int(step.needs_person)}\n" for step in status.steps)


def _info(key: KeyStatus) -> str:
    return labels(
        domain=key.domain,
        selector=key.selector,
        phase=key.phase.value,
        algorithm=key.algorithm,
        bits=str(key.bits),
        provider=key.provider or "",
    )


def _moments(name: str, status: Status, moment: Callable[[KeyStatus], str | None]) -> Iterator[str]:
    for key in status.keys:
        seconds = unix_time(moment(key))
        if seconds is not None:
            yield f"{name}{labels(domain=key.domain, selector=key.selector)} {seconds}\n"
