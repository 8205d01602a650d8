"""Killed, or with a full disk, at every call of a whole rotation: nothing is lost, and the next `rotate` completes it.

`DKIMCTL_TEST_FULL=1` tries SIGKILL, no space and an I/O error at every call that strace counts, and SIGKILL after every
answer of the API; without it a seeded sample of two of the steps is tried.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import needs
from tests.rotations import KILL, LATER, STEPS, Fault, Rotation, State, Step, faults, rotation

FULL = bool(os.environ.get("DKIMCTL_TEST_FULL"))
SAMPLE = 2
"""Faults of each step that is tried, without DKIMCTL_TEST_FULL."""
TRIED = () if FULL else ("begun by hand: the switch", "the old record is emptied")
"""The steps that are tried, and then nothing more is done; empty: all."""
WORKERS = 2 if FULL else 1

pytestmark = [
    needs("opendkim", "postfix", "postconf", "strace", "faketime", root=True, namespaces=True),
    pytest.mark.long,
]


def one(made: Rotation, step: Step, fault: Fault, after: tuple[State, State]) -> tuple[bool, list[str]]:
    """Inject a fault, look, run again, look again; returns whether it happened, and what is wrong."""
    made.restore()
    private, records = made.private_keys(), made.records()
    ran, is_injected = made.inject(step, fault)
    wrong = []
    if step.words != ("purge",) and any(made.private_keys().get(name) != text for name, text in private.items()):
        wrong.append("a private key is lost")
    if step.words not in (("revoke",), ("remove",)):
        wrong += [f"the record {name} is lost" for name, text in records.items() if made.records().get(name) != text]
    if fault.kind != KILL:
        wrong += _said(ran.code, ran.out + ran.err, made.state() == after[0])
    words = step.arguments if step.arguments and not made.has_begun() else ()
    again = made.run(step.hours + LATER, *words)
    found = made.state()
    if again.code != 0 or found != after[1]:
        text = f"{again.code} {again.out}{again.err} {found}, not {after[1]}"
        wrong.append(f"the next run does not complete it: {text}")
    if left := made.leftovers():
        wrong.append(f"left under temporary names: {left}")
    return is_injected, [f"{step.name}: {fault}: {text}" for text in wrong]


def _said(code: int, text: str, is_done: bool) -> list[str]:
    """What is wrong with the words of a run that met a failing call."""
    if "Traceback" in text or code not in (0, 1, 3):
        return [f"ends with {code}: {text}"]
    if code == 0 and not is_done:
        return [f"exit 0, and it is not done: {text}"]
    if code != 0 and "hint: " not in text and "->" not in text:
        return [f"no hint: {text}"]
    return []


def whole(worker: int, port: int) -> tuple[Counter[str], list[str]]:
    """A whole rotation, in which each worker tries its share of each step's faults: counts, and what is wrong."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    chance = random.Random(20261130)
    with rotation(port) as made:
        for step in STEPS:
            made.save()
            if step.is_tried and (not TRIED or step.name in TRIED):
                calls = made.count(step)
                after = _reference(made, step)
                chosen = list(faults(calls))
                counts[f"calls of: {step.name}"] = calls.total()
                counts["possible"] += len(chosen)
                chosen = chosen[worker::WORKERS] if FULL else chance.sample(chosen, SAMPLE)
                for fault in chosen:
                    is_injected, texts = one(made, step, fault, after)
                    counts[f"{fault.kind} {fault.call}"] += 1
                    counts["tried"] += 1
                    counts["hit"] += is_injected
                    wrong += texts
                if TRIED and step.name == TRIED[-1]:
                    break
                made.restore()
            ran = made.run(step.hours, *step.arguments, "--json")
            assert ran.code == 0, ran.out + ran.err
            said = [one["action"] for one in ran.json["rotation"]["steps"]]
            assert set(step.words) <= set(said), (step, said)
    return counts, wrong


def _reference(made: Rotation, step: Step) -> tuple[State, State]:
    """What there is after the step, and after the run that comes next, when nothing fails."""
    made.restore()
    ran = made.run(step.hours, *step.arguments)
    assert ran.code == 0, ran.out + ran.err
    first = made.state()
    ran = made.run(step.hours + LATER)
    assert ran.code == 0, ran.out + ran.err
    return first, made.state()


def test_the_next_run_completes_a_rotation(
    free_port: Callable[[], int], record_property: Callable[[str, object], None]
) -> None:
    """No private key and no record is lost, a failing call is said with a hint, and the next run does the rest."""
    ports = [free_port() for _ in range(WORKERS)]
    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(whole, range(WORKERS), ports))
    counts = sum((counts for counts, _ in results), Counter())
    wrong = [text for _, texts in results for text in texts]
    for name, number in sorted(counts.items()):
        shared = name == "possible" or name.startswith("calls of")
        record_property(f"counted: rotation: {name}", number // WORKERS if shared else number)
    assert wrong == [], "\n".join(wrong[:20])
    assert counts["hit"] >= 0.98 * counts["tried"]  # a run removes one temporary file more or less than another
