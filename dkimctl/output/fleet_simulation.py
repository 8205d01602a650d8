"""What a simulated fleet did, for people."""

from collections.abc import Iterator
from functools import partial

from dkimctl.fleet.simulation.simulate import Simulation
from dkimctl.names import counted
from dkimctl.output.layout import GAP, Block, Line, Prose, Table, Tone, labelled
from dkimctl.output.terminal import Terminal

_many = partial(counted, grouped=True)
_HEAD = ("DAYS", "KEYS", "SWITCHES", "API CALLS", "MOST A DAY", "MOST AN HOUR", "BYTES A RELAY")


def show_simulation(done: Simulation, terminal: Terminal) -> None:
    """Show the calendar of load, and each invariant."""
    terminal.show(list(_blocks(done)))


def _blocks(done: Simulation) -> Iterator[Block]:
    yield Table(_HEAD, [*_rows(done)], {})
    size = f"{_many(done.domains, 'domain')}, {_many(done.relays, 'relay')}, {_many(done.days, 'day')}"
    made = f"{_many(done.rotations, 'switch', 'switches')}, {_many(done.keys_made, 'key')} made"
    lost = f"{_many(done.failures, 'change')} failed or had the answer lost, and came later"
    away = f"{_many(done.absences, 'time')} a relay was away"
    yield Prose(f"{size}: {made}, {_many(done.api_calls, 'API call')}; {lost}; {away}")
    yield GAP
    tones = {"held": Tone.OK, "BROKEN": Tone.ERROR}
    yield Table(("INVARIANT", "STATE", "CHECKS"), [*_verdicts(done)], tones)
    for one in done.invariants:
        yield labelled(one.name, one.text, 6)
    for one in done.invariants:
        for example in one.examples:
            yield Line(f"{one.name}: {example}", Tone.ERROR)


def _rows(done: Simulation) -> Iterator[tuple[str, ...]]:
    for one in done.calendar:
        counts = (one.keys_made, one.switches, one.api_calls, one.busiest_day, one.busiest_hour, one.relay_bytes)
        yield (f"{one.first_day}-{one.last_day}", *(f"{count:,}" for count in counts))


def _verdicts(done: Simulation) -> Iterator[tuple[str, ...]]:
    for one in done.invariants:
        state = "BROKEN" if one.broken else "held" if one.checks else "not judged"
        yield one.name, state, f"{one.checks:,}"
