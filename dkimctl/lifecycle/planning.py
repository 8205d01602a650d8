"""The words of a plan, and what its parts share while it is made: `watching`, `succession`, `retiring`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dkimctl.errors import shell_word
from dkimctl.lifecycle.facts import Facts, KeyFacts
from dkimctl.lifecycle.policy import Policy


class Do(StrEnum):
    """The kinds of action."""

    MAKE = "make"
    """A new key pair, under a selector that was never used, or in a free slot."""
    PUBLISH = "publish"
    """The record of a key at the provider, read back."""
    LOOK = "look"
    """Every address of every authoritative server is asked for the record of a key."""
    SWITCH = "switch"
    """Every relay signs with this key from now on, proven by a message; it goes back where that fails."""
    PROVE = "prove"
    """A message signed with the key that signs, verified. Not asked of a leaked or revoked key: none is to verify."""
    REVOKE = "revoke"
    """The record says an empty `p=`, read back from the provider."""
    REMOVE = "remove"
    """The record is deleted, its absence read back from the provider."""
    PURGE = "purge"
    """The private key is removed from every relay."""


_TAKES_AWAY = frozenset((Do.REVOKE, Do.REMOVE, Do.PURGE))
AFTER_A_GAP = "a later run: none ran for longer than keep_after, so that what is there is first proven again"


class Action(NamedTuple):
    """One step, for one key."""

    do: Do
    algorithm: str
    key: str = ""
    """The identity of the key; empty for a key that is to be made."""
    why: str = ""


class Wait(NamedTuple):
    """What a domain waits for."""

    on: str
    until: int | None = None
    """When it ends, where that is known."""
    needs_person: bool = False
    """True when nothing goes on before a person acts."""
    do: Do | None = None
    """The step that comes after it."""
    key: str = ""
    """The identity of the key that this step is for; empty for a key that is to be made, or is not known."""
    hint: str = ""
    """How a person does it, where `on` does not say it."""
    is_for_away: bool = False
    """True when only relays that are away can end it: that one is back is news, and need not be looked for."""


class Plan(NamedTuple):
    """What to do for one domain."""

    actions: tuple[Action, ...]
    """What may be done now, in this order; after each the plan is made again. One that fails does not bar the next."""
    due: int | None
    """When the plan is to be made again although nothing happened; None: never."""
    waits: tuple[Wait, ...]


@dataclass(slots=True)
class Found:
    """The actions, instants and waits found so far, of all algorithms."""

    actions: list[Action] = field(default_factory=list)
    dues: list[int] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


def acts_by_itself(policy: Policy, facts: Facts) -> bool:
    """Return True for a domain whose keys are made, switched to and taken away without a person."""
    return not (facts.is_held or policy.automation == "off")


@dataclass(slots=True)
class Planning:
    """What is planned for the keys of one algorithm of a domain, from what; each algorithm rotates by itself."""

    policy: Policy
    facts: Facts
    keys: tuple[KeyFacts, ...]
    algorithm: str
    now: int
    begin: bool
    found: Found

    @property
    def begin_command(self) -> str:
        """The command with which a person begins the rotation."""
        return f"dkimctl rotate --now {shell_word(self.facts.domain)}"

    def how_to_add(self, key: KeyFacts) -> str:
        """Return how a person who adds the record of a key gets it."""
        return f"print it: dkimctl record {shell_word(self.facts.domain)} -s {shell_word(key.selector)}"

    @property
    def may_change(self) -> bool:
        """True when new keys, switches and removals may happen by themselves."""
        return self.begin or acts_by_itself(self.policy, self.facts)

    def do(self, do: Do, key: KeyFacts | None, why: str) -> None:
        """Plan an action."""
        self.found.actions.append(Action(do, self.algorithm, key.id if key else "", why))

    def wait(
        self,
        do: Do,
        key: KeyFacts | None,
        on: str,
        until: int | None = None,
        *,
        person: bool = False,
        hint: str = "",
        away: bool = False,
    ) -> None:
        """Say what a step waits for."""
        self.found.waits.append(Wait(on, until, person, do, key.id if key else "", hint, away))
        if until is not None:
            self.found.dues.append(until)

    def go_on(self, do: Do, key: KeyFacts | None, why: str, *, is_urgent: bool = False) -> None:
        """Plan a step that changes what is there; after a long gap it is left to a later run.

        `is_urgent`: the key is leaked, or what signs does not work.
        """
        goes_on = None if is_urgent else self._goes_on_at(do, key)
        if goes_on is None or self.is_due(goes_on):
            self.do(do, key, why)
        else:
            self.wait(do, key, AFTER_A_GAP, goes_on)

    def _goes_on_at(self, do: Do, key: KeyFacts | None) -> int | None:
        """Return when such a step is done again after a long gap; None when there was none, or a person asks for it."""
        returned = self.facts.returned
        if returned is None:
            return None
        if do in _TAKES_AWAY:
            return returned + self.policy.care
        if self.begin:
            return None
        return returned + max(key.record.negative_ttl if key else 0, self.policy.publication_margin)

    def is_from_before(self, at: int | None) -> bool:
        """Return True for what was noted before a long gap, and is to be proven again."""
        return self.facts.returned is not None and (at is None or at < self.facts.returned)

    def is_due(self, at: int) -> bool:
        """Return True when this instant has come; it is noted as due when it has not."""
        if at > self.now:
            self.found.dues.append(at)
        return at <= self.now

    def may_write_again(self, key: KeyFacts) -> bool:
        """Return True when a record that is not served may be written (again)."""
        written = key.record.written
        return written is None or self.is_due(written + self.policy.publish_again)
