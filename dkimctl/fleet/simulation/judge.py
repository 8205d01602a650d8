"""The invariants of a rotation, judged by what the simulated world did: mail signed, DNS served, caches.

Nothing here reads what dkimctl noted. The relays sign mail at every moment, for every domain.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dkimctl.fleet.simulation.account import EMPTY, NEGATIVE_TTL, Account, Name
from dkimctl.fleet.simulation.relays import SimulatedRelay
from dkimctl.lifecycle.policy import DAY, Policy
from dkimctl.names import counted

DELIVERY = 5 * DAY
"""For so long after it was signed a message may be delivered, and verified: Postfix's maximal_queue_lifetime."""
SLACK = 10 * DAY
"""So much later than its policy says a rotation may end: relays are away, answers are lost, hours are named."""
TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "I1": "every message can be verified from its signature to its delivery, whatever caches hold",
        "I2": "every relay always signs for every domain, with a key that it holds",
        "I3": "no selector ever has two keys",
        "I4": "at each name there is at most one TXT record",
        "I5": "no key signs anywhere before every relay that lives holds it",
        "I6": "nothing is taken away while a key that signs cannot be verified",
        "I7": "a key whose record was taken away never signs again",
        "I8": "a lost answer is looked up: no key signs whose record the account does not have",
        "I9": "records and keys of others are never removed",
        "I10": "every rotation that is due ends, and so does every old key",
        "I11": "the age that counts is that of the key material",
        "I12": "no private key is revealed while its record may be anywhere",
    }
)
"""Those of which nothing happens in the simulation are not judged: I9, I11, I12."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold at all times, and whether it did."""

    name: str
    text: str
    checks: int
    """How often it was judged; 0: nothing in the simulation can break it."""
    broken: int
    """How often it did not hold."""
    examples: tuple[str, ...]
    """The first of these cases."""


@dataclass(slots=True)
class Judge:
    """What happened so far, as far as it is needed to judge what happens next."""

    account: Account
    relays: tuple[SimulatedRelay, ...]
    policy_of: Callable[[str], Policy]
    start: int
    """When the simulation began."""
    keys: dict[Name, str] = field(default_factory=dict)
    """The public key that each selector has, or had."""
    ended: set[Name] = field(default_factory=set)
    """The keys whose record was taken away."""
    last_signed: dict[Name, int] = field(default_factory=dict)
    """When a relay last stopped to sign with a key, and its private key is not removed yet."""
    _newest: dict[str, str] = field(default_factory=dict)
    """The selector of a domain's newest key that signs."""
    _began: dict[str, int] = field(default_factory=dict)
    """When the first relay began to sign with it."""
    _checks: dict[str, int] = field(default_factory=dict)
    _broken: dict[str, list[str]] = field(default_factory=dict)

    def _must(self, invariant: str, holds: bool, what: str, name: Name, now: int) -> None:
        self._checks[invariant] = self._checks.get(invariant, 0) + 1
        if not holds:
            text = f"day {(now - self.start) // DAY + 1}: {what} ({name[1]} of {name[0]})"
            self._broken.setdefault(invariant, []).append(text)

    def made(self, name: Name, public: str, now: int) -> None:
        """Note a new key pair."""
        self._must("I3", self.keys.setdefault(name, public) == public, "a second key has its selector", name, now)

    def published(self, name: Name, public: str, now: int) -> None:
        """Hear that a record is about to be written."""
        self._must("I4", self.account.value(name) in (None, public), "another record is at its name", name, now)

    def told(self, name: Name, now: int) -> None:
        """Hear that the relays are told to sign with a key."""
        lacking = [one.name for one in self.relays if not one.is_away and name not in one.holds]
        self._must("I5", not lacking, f"{', '.join(lacking)} must sign with it and does not hold it", name, now)

    def switched(self, relay: SimulatedRelay, name: Name, before: str | None, now: int) -> None:
        """Hear that a relay signs with this key from now on, and with which selector it did until now."""
        domain = name[0]
        since = self.account.served_whole_since(name, self.keys.get(name, "?"))
        is_known = since is not None and since + NEGATIVE_TTL <= now
        self._must("I8", since is not None, f"{relay.name} signs, and the account has no record", name, now)
        self._must("I1", is_known, f"{relay.name} signs before every cache can have the record", name, now)
        self._must("I2", name in relay.holds, f"{relay.name} does not hold the private key", name, now)
        self._must("I7", name not in self.ended, f"{relay.name} signs with it again", name, now)
        if before is not None:
            self.last_signed[domain, before] = now
        if self._newest.get(domain) != name[1]:
            self._judge_age(domain, now)
            self.sign(name, now)

    def sign(self, name: Name, since: int) -> None:
        """Note the key with which a domain signs, as the first relay does."""
        self._newest[name[0]], self._began[name[0]] = name[1], since

    def _judge_age(self, domain: str, now: int) -> None:
        age = now - self._began[domain]
        is_late = age > self.policy_of(domain).rotate_after + SLACK
        self._must(
            "I10", not is_late, f"it signed for {counted(age // DAY, 'day')}", (domain, self._newest[domain]), now
        )

    def taken_away(self, name: Name, now: int) -> None:
        """Hear that a key's record is about to be emptied or deleted."""
        signing = [relay.name for relay in self.relays if relay.signs.get(name[0]) == name[1]]
        self._must("I1", not signing, f"its record goes, and {', '.join(signing)} signs with it", name, now)
        end = self.last_signed.get(name, now - DELIVERY) + DELIVERY
        self._must("I1", end <= now, "its record goes while mail signed with it is under way", name, now)
        self._must("I6", self._can_verify(name[0], now), "its record goes, and another cannot be verified", name, now)
        self.ended.add(name)

    def _can_verify(self, domain: str, now: int) -> bool:
        for selector in {relay.signs.get(domain, "") for relay in self.relays}:
            since = self.account.served_whole_since((domain, selector), self.keys.get((domain, selector), "?"))
            if since is None or since > now:
                return False
        return True

    def purged(self, name: Name) -> None:
        """Hear that a private key was removed."""
        self.last_signed.pop(name, None)

    def end(self, now: int) -> None:
        """Judge what should have happened by now."""
        for domain, selector in self._newest.items():
            self._judge_age(domain, now)
            for relay in self.relays:
                holds = (domain, relay.signs.get(domain, "")) in relay.holds
                self._must("I2", holds, f"{relay.name} does not hold what it signs with", (domain, selector), now)
        for name, left in self.last_signed.items():
            is_late = now - left > 2 * self.policy_of(name[0]).keep_after + SLACK
            is_gone = self.account.value(name) in (None, EMPTY)
            self._must("I10", is_gone or not is_late, f"{(now - left) // DAY} days old mail keeps it", name, now)

    def verdicts(self) -> tuple[Invariant, ...]:
        """Return each invariant, and whether it held."""
        return tuple(
            Invariant(
                name,
                text,
                self._checks.get(name, 0),
                len(self._broken.get(name, ())),
                tuple(self._broken.get(name, ())[:_MOST_NAMED]),
            )
            for name, text in TEXTS.items()
        )


def merged(verdicts: Iterable[tuple[Invariant, ...]]) -> tuple[Invariant, ...]:
    """Return the verdicts on all domains, of those on some each."""
    return tuple(
        Invariant(
            some[0].name,
            some[0].text,
            sum(one.checks for one in some),
            sum(one.broken for one in some),
            tuple(example for one in some for example in one.examples)[:_MOST_NAMED],
        )
        for some in zip(*verdicts, strict=True)
    )
