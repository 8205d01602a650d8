"""The simulated DNS: an account in which records are written, and two name servers that serve them later."""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from math import log

from dkimctl.errors import Unavailable
from dkimctl.verify.report import AnswerState, ServerAnswer

Name = tuple[str, str]
"""Domain and selector."""
EMPTY = ""
"""What is at a name whose record says `p=`; of any other record it is the public key."""
TTL = 3600
NEGATIVE_TTL = 3600
"""Seconds for which a resolver remembers a record, or that there is none."""
_SERVERS = ("ns1.example", "ns2.example")
_USUAL_DELAY, _LONGEST_DELAY = 300, 7200
_FAILS, _IS_LOST = 0.002, 0.002
"""How often a write fails, and how often it is done and its answer is lost."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written at a name, and from when each of the servers serves it."""

    value: str | None
    """The public key; EMPTY; None for no record."""
    served: tuple[int, ...]


@dataclass(slots=True)
class Account:
    """The records of all domains, and their history at each name server."""

    seed: int
    history: dict[Name, list[Written]] = field(default_factory=dict)
    failures: int = 0
    """Writes that failed, or whose answer was lost."""
    _attempts: Counter[Name] = field(default_factory=Counter)

    def value(self, name: Name) -> str | None:
        """Return what the account has at a name."""
        return self.history[name][-1].value if name in self.history else None

    def write(self, name: Name, value: str | None, now: int, *, at_once: bool = False) -> None:
        """Write, or delete, a record. Raises Unavailable when that failed, or when only the answer was lost.

        `at_once`: without a delay or a failure.
        """
        self._attempts[name] += 1
        chance = 1.0 if at_once else self._share("fails", name)
        if chance < _FAILS:
            self.failures += 1
            raise Unavailable("the simulated account did not answer", hint="it is tried again")
        if value != self.value(name):
            last = self.history.setdefault(name, [])
            earliest = last[-1].served if last else (now,) * len(_SERVERS)
            delays = (0 if at_once else self._delay(server, name) for server in _SERVERS)
            last.append(Written(value, tuple(max(now + delay, at) for delay, at in zip(delays, earliest, strict=True))))
        if chance < _FAILS + _IS_LOST:
            self.failures += 1
            raise Unavailable("the simulated account's answer was lost", hint="it is looked up")

    def _delay(self, server: str, name: Name) -> int:
        return min(round(-_USUAL_DELAY * log(1 - self._share(server, name))), _LONGEST_DELAY)

    def _share(self, what: str, name: Name) -> float:
        """Return a number from 0 to below 1: random, and the same whatever happened to other names before."""
        text = f"{self.seed} {what} {name} {self._attempts[name]}"
        return int.from_bytes(sha256(text.encode()).digest()[:6]) / 2**48

    def served_whole_since(self, name: Name, value: str) -> int | None:
        """Return since when every server serves this, or will; None where the account has another value."""
        written = self.history.get(name, ())
        return max(written[-1].served) if written and written[-1].value == value else None

    def answers(self, name: Name, algorithm: str, now: int) -> tuple[ServerAnswer, ...]:
        """Return what each server says now."""
        found = []
        for index, server in enumerate(_SERVERS):
            value = next((one.value for one in reversed(self.history.get(name, ())) if one.served[index] <= now), None)
            if value is None:
                found.append(ServerAnswer(".".join(name), server, "", AnswerState.NO_NAME, ttl=NEGATIVE_TTL))
            else:
                text = f"v=DKIM1; k={algorithm}; p={value}"
                found.append(ServerAnswer(".".join(name), server, "", AnswerState.TEXT, (text,), ttl=TTL))
        return tuple(found)

    def forget(self, name: Name) -> None:
        """Let go of a name's history: its record is gone, and its selector is never used again."""
        self.history[name] = self.history[name][-1:]
