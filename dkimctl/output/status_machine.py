"""The status of every key for monitoring: Nagios and Prometheus."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from dkimctl.findings import Severity
from dkimctl.keys.metadata import Phase
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.notes import instant
from dkimctl.lifecycle.status import KeyStatus, Status
from dkimctl.output.nagios import BAD, STATES, exit_code, plain, problem_line
from dkimctl.output.prometheus import finding_counts, head, labels, last_check

_NAMED = 20  # domains that get a line of their own


def nagios_exit_code(status: Status) -> int:
    """Return the plug-in's exit code: that of the findings, at least WARNING where a person has something to do."""
    severities = {found.severity for found in status.findings}
    return exit_code({*severities, Severity.WARNING} if _unsigned(status) or _for_person(status) else severities)


def nagios_text(status: Status) -> str:
    """Return one status line with performance data, then a line for each problem (Nagios plugin output)."""
    unsigned, phases = _unsigned(status), Counter(key.phase for key in status.keys)
    signing = len({key.domain for key in status.keys if key.phase is Phase.ACTIVE})
    bad = [found for found in status.findings if found.severity in BAD]
    counts = (f"{signing} signing", f"{len(unsigned)} without an active key", f"{len(bad)} findings")
    data = " ".join(f"{phase.value}={phases[phase]}" for phase in Phase)
    lines = [f"DKIM KEYS {STATES[nagios_exit_code(status)]} - {', '.join(counts)} | {data}"]
    lines += [problem_line(found) for found in bad]
    lines += [plain(f"{domain}: no active key{_hint(then)}") for domain, then in list(unsigned.items())[:_NAMED]]
    if len(unsigned) > _NAMED:
        lines.append(f"and {len(unsigned) - _NAMED} more")
    lines += [plain(f"{step.domain}: {step.waits_for}") for step in _for_person(status)[:_NAMED]]
    return "\n".join(lines) + "\n"


def _hint(then: str | None) -> str:
    return f"; next: {then}" if then else ""


def _for_person(status: Status) -> list[NextStep]:
    """Return the next steps that nobody but a person takes."""
    return [step for step in status.steps if step.needs_person]


def _unsigned(status: Status) -> dict[str, str | None]:
    """Return the domains that have no active key, each with the command that is next."""
    found: dict[str, str | None] = {line.domain: line.next for line in status.keyless}
    for key in status.keys:
        found[key.domain] = found.get(key.domain) or key.next
    for key in status.keys:
        if key.phase is Phase.ACTIVE:
            found.pop(key.domain, None)
    return found


def prometheus_lines(status: Status, now: datetime) -> Iterator[str]:
    """Yield metrics in the text format, for the textfile collector of node_exporter."""
    yield head("dkimctl_key_info", "The kind, the phase and the provider of a key; always 1.")
    yield from (f"dkimctl_key_info{_info(key)} 1\n" for key in status.keys)
    yield head("dkimctl_key_created_timestamp_seconds", "When the key was made; absent where nobody knows.")
    yield from _moments("dkimctl_key_created_timestamp_seconds", [(key, key.created) for key in status.keys])
    yield head("dkimctl_key_phase_timestamp_seconds", "When the key came into its phase; absent where not noted.")
    yield from _moments("dkimctl_key_phase_timestamp_seconds", [(key, key.since) for key in status.keys])
    yield from _proofs(status)
    yield head("dkimctl_domain_active", "1 when the domain has a key that signs.")
    unsigned = _unsigned(status)
    for domain in sorted({key.domain for key in status.keys}.union(unsigned)):
        yield f"dkimctl_domain_active{labels(domain=domain)} {int(domain not in unsigned)}\n"
    yield from _steps(status)
    counts = Counter((found.code, found.severity) for found in status.findings)
    yield from finding_counts("dkimctl_status_findings", "What dkimctl status found, by code.", counts)
    yield last_check("dkimctl_status_last_check_timestamp_seconds", now)


def _proofs(status: Status) -> Iterator[str]:
    name = "dkimctl_key_served_timestamp_seconds"
    yield head(name, "When every name server was last seen to serve the key's record.")
    yield from _moments(name, [(key, key.served) for key in status.keys])
    name = "dkimctl_key_proven_timestamp_seconds"
    yield head(name, "When a message signed with the key was last verified.")
    yield from _moments(name, [(key, key.proven) for key in status.keys])


def _steps(status: Status) -> Iterator[str]:
    name = "dkimctl_domain_next_step_timestamp_seconds"
    yield head(name, "When the next step in the life of the domain's keys comes; absent where it is due or not known.")
    for step in status.steps:
        at = _seconds(step.at)
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


def _moments(name: str, moments: list[tuple[KeyStatus, str | None]]) -> Iterator[str]:
    for key, text in moments:
        seconds = _seconds(text)
        if seconds is not None:
            yield f"{name}{labels(domain=key.domain, selector=key.selector)} {seconds}\n"


def _seconds(text: str | None) -> int | None:
    """Return the Unix time; None when the moment is not known, or not written as one with its offset."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return None if moment.tzinfo is None else instant(moment)
