"""A fleet at random: whatever is killed, paused or cut, every message that was ever signed verifies until delivered.

Three relays with a real opendkim each, two workers, PostgreSQL, an OVH account; clocks up to five minutes apart, and
moved on by months. `DKIMCTL_TEST_FULL=1`: 300 rounds with a seed of its own, and workers with mistakes that are caught.
"""

import os
import random
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.postgres_server import Missing, programs
from tests.real.fleet_trouble import Trouble
from tests.real.fleet_world import DOMAINS, RELAYS, World
from tests.real.history import DAY, WINDOW, History, Signed
from tests.real.mutants import MUTANTS

FULL = os.environ.get("DKIMCTL_TEST_FULL") == "1"
SEED = int(os.environ.get("DKIMCTL_TEST_SEED", time.time_ns() % 2**32 if FULL else 13))
ROUNDS = 300
MOVES = (0.1, 0.1, 0.2, 0.5, 1.2, 1.2, 6, 25, 25, 80)
"""In hours."""
SAMPLE = (0.1, 1.2, 330, 30, 0.1, 330)
"""Enough for a switch of each domain."""
MISTAKEN = (0.1, 1.2, 330, 220, 0.1, 0.5, 25)
"""The same without trouble."""
real = needs("opendkim", "postfix", "postconf", "faketime", root=True, namespaces=True)


Counts = dict[str, int]


@pytest.fixture
def directory(short_path: Path) -> Path:
    """Where all hosts are; the server's user gets there."""
    try:
        programs()
    except Missing as missing:
        pytest.skip(str(missing))
    short_path.chmod(0o755)
    return short_path


@real
@pytest.mark.long
def test_every_message_verifies_whatever_happens(directory: Path) -> None:
    """Nothing is unsigned or unverifiable, no selector has two keys, none is active before the relays hold it."""
    draw = random.Random(SEED)
    moves: Sequence[float] = [draw.choice(MOVES) for _ in range(ROUNDS)] if FULL else SAMPLE
    history, counts = run(directory, moves, draw)
    said = f"seed {SEED}: {len(history.mails)} mails, {len(history.switches)} switches, {len(history.emptied)} revoked"
    said = f"{said}; {counts}"
    print(said)
    assert not history.verdict(), f"{said}\n" + "\n".join(history.verdict()[:20])
    assert {domain for domain, _, _ in history.switches} == {*DOMAINS}, said
    assert history.emptied or not FULL, said
    assert {mail.relay for mail in history.mails} == {"mx1", "mx2", "mx3"}


@real
@pytest.mark.skipif(not FULL, reason="a mistake made by a real fleet takes minutes: DKIMCTL_TEST_FULL=1")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_judge_catches_a_worker_with_a_mistake(directory: Path, mutant: str) -> None:
    """A worker that switches too early, removes too early, or uses a selector again, is found out."""
    draw = random.Random(SEED)
    history, _ = run(directory, MISTAKEN, draw, mutant)
    assert any(MUTANTS[mutant][1] in problem for problem in history.verdict()), history.verdict()


def run(
    directory: Path, moves: Sequence[float], draw: random.Random, mutant: str = ""
) -> tuple[History, dict[str, int]]:
    """So many rounds, an hour without the database, and a quiet end, in which everything catches up by itself."""
    with World(directory, mutant) as world:
        trouble = Trouble(world, draw)
        for number, hours in enumerate(moves):
            if mutant and number == 0:
                world.relays[0].kill_signer()  # it is heard from, and can confirm nothing
            if mutant and number == 2:
                world.relays[0].start_signer()
            trouble.round(hours, quiet=bool(mutant))
        trouble.calm()
        before = len(world.history.mails)
        assert set(trouble.outage()) == {3}, world.trouble()
        during = world.history.mails[before:]
        assert {(mail.relay, mail.domain) for mail in during} == {*product(RELAYS, DOMAINS)}
        for hours in (0.5, 60, 0.1):
            trouble.round(hours, quiet=True)
        history = world.end()
        assert mutant or world.is_level(), world.trouble()
    return history, trouble.counts


# --- the judge itself

RECORD, EMPTY, OTHER = ("v=DKIM1; p=AAAA",), ("v=DKIM1; p=",), ("v=DKIM1; p=BBBB",)
NAME = "s._domainkey.a.example"
MAIL = Signed(10 * DAY, "mx1", "a.example", "s")


@pytest.mark.parametrize(
    "changes, said",
    [
        ([(1 * DAY, RECORD)], ""),
        ([(1 * DAY, RECORD), (10 * DAY + WINDOW + 1, EMPTY)], ""),
        ([(1 * DAY, RECORD), (10 * DAY + WINDOW - 1, EMPTY)], "does not verify"),
        ([(10 * DAY - 1, RECORD)], "does not verify"),
        ([(1 * DAY, RECORD + OTHER)], "does not verify"),
        ([(1 * DAY, RECORD), (40 * DAY, OTHER)], "had 2 keys"),
        ([], "does not verify"),
    ],
)
def test_the_judge_can_fail(changes: list[tuple[float, tuple[str, ...]]], said: str) -> None:
    """A record that comes too late, goes too early, is one of two, or has another key, is found."""
    history = History(mails=[MAIL])
    for at, texts in changes:
        history.note_served(at, {NAME: texts})
    found = history.verdict()
    assert any(said in problem for problem in found) if said else found == []


def test_the_judge_names_a_switch_that_came_too_early() -> None:
    """A relay that lived and lacked the key; a key with which nothing was signed before the next one."""
    history = History(switches=[("a.example", "s", ("mx2",)), ("a.example", "t", ())])
    [early, unused] = history.verdict()
    assert "before mx2 held it" in early and "nothing was ever signed with s" in unused
