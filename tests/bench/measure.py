"""Measuring by comparison: every round runs every case once, in random order; medians; ratios against a peer.

A case is a function without arguments that does its own preparation and returns the seconds of what is measured.
Bare seconds say little on a shared machine: a claim is a ratio of two cases of the same run.
"""

import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Case = Callable[[], float]


def command(*argv: str, env: Mapping[str, str] | None = None, expect: int = 0) -> Case:
    """A whole process from start to end, its output thrown away. Raises RuntimeError when it ends with another code."""
    null = os.open(os.devnull, os.O_RDWR)
    quiet = [(os.POSIX_SPAWN_DUP2, null, descriptor) for descriptor in (0, 1, 2)]
    environment = dict(os.environ if env is None else env)

    def run() -> float:
        start = time.perf_counter()
        process = os.posix_spawnp(argv[0], argv, environment, file_actions=quiet)
        _, status = os.waitpid(process, 0)
        seconds = time.perf_counter() - start
        if os.waitstatus_to_exitcode(status) != expect:
            raise RuntimeError(f"{' '.join(argv)}: exit {os.waitstatus_to_exitcode(status)}, not {expect}")
        return seconds

    return run


def call(function: Callable[[], object]) -> Case:
    """A function inside this process."""

    def run() -> float:
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    return run


def interleaved(cases: Mapping[str, Case], *, rounds: int = 21, warm_up: int = 1) -> dict[str, float]:
    """The median seconds of each case over so many rounds; the first `warm_up` rounds do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(warm_up + rounds):
        for name in random.sample(list(cases), len(cases)):
            taken = cases[name]()
            if number >= warm_up:
                seconds[name].append(taken)
    return {name: median(values) for name, values in seconds.items()}


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise: `measured` must not be over `limit` (or, with `at_least`, not under it)."""

    what: str
    limit: float
    measured: float
    unit: str = "×"
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Return whether it was kept."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


def table(claims: Iterable[Claim]) -> str:
    """Asked and measured, a line each."""
    lines = [f"{'':5}{'asked':>10} {'measured':>10}  what"]
    for claim in claims:
        sign = "≥" if claim.at_least else "≤"
        verdict = "ok" if claim.holds else "MISS"
        lines.append(
            f"{verdict:5}{f'{sign} {claim.limit:g}':>10} {_shown(claim.measured):>10}  {claim.unit} {claim.what}"
        )
    return "\n".join(lines)


def _shown(value: float) -> str:
    """Three digits, or a whole number."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def report(title: str, claims: Sequence[Claim]) -> int:
    """Print the table under a title; the exit code: 0 when every claim holds, else 1."""
    print(f"{title}\n{table(claims)}", flush=True)
    return 0 if all(claim.holds for claim in claims) else 1
