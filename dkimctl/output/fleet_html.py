"""The part of the page of `status` that shows a fleet: its relays, and the domains that are due, wait or fail."""

from collections.abc import Iterator
from html import escape

from dkimctl.fleet.overview import FleetStatus, Reason, RelayStatus
from dkimctl.names import counted
from dkimctl.output.fleet_relays import domains_in, relay_problem


def fleet_part(fleet: FleetStatus) -> Iterator[str]:
    """Yield the part. Every cell says what it is, as a narrow screen shows no head."""
    yield '<h2>Relays</h2>\n<p class="faint">'
    yield f"generation {fleet.generation}; {counted(fleet.due, 'domain')} due, {domains_in(fleet.waiting)} wait, "
    yield f"{domains_in(fleet.failed)} failed</p>\n"
    if fleet.relays:
        heads = "".join(f"<th>{head}</th>" for head in ("Relay", "Keys", "Heard from", "Daemon"))
        yield f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
        yield from map(_row, fleet.relays)
        yield "</tbody>\n</table>\n"
    lines = [*_reasons("failed", fleet.failed), *_reasons("wait for", fleet.waiting)]
    if lines:
        yield f"<details><summary>What domains wait for ({len(lines)})</summary>\n"
        yield f"<ul>\n{''.join(lines)}</ul>\n</details>\n"


def _row(relay: RelayStatus) -> str:
    name = f'<div>{escape(relay.name)}</div><div class="faint">{escape(relay.state)}</div>'
    generation = f'<div>{_lacking(relay)}</div><div class="faint">generation {relay.generation}</div>'
    heard = f"heard from {_time(relay.heartbeat)}" if relay.heartbeat else "never heard from"
    proof = f"proof {_time(relay.proven)}" if relay.proven else "no proof yet"
    problem = relay_problem(relay)
    said = f'<br><span class="bad">{escape(problem)}</span>' if problem else ""
    cells = (name, generation, f"<div>{heard}</div><div>{proof}</div>", f"{escape(relay.daemon) or '-'}{said}")
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _lacking(relay: RelayStatus) -> str:
    if relay.state in ("pending", "removed"):
        return "gets none"
    return f"lacks {counted(relay.missing, 'generation')}" if relay.missing else "all of them"


def _reasons(what: str, reasons: tuple[Reason, ...]) -> Iterator[str]:
    for one in reasons:
        yield f"<li>{one.domains} {what}: {escape(one.reason)}</li>\n"


def _time(text: str) -> str:
    return escape(text[:16].replace("T", " "))
