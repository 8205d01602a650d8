"""What the life of a key asks of a fleet's relays, where others than this host sign."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from dkimctl.errors import Unavailable
from dkimctl.keys.store import Key
from dkimctl.lifecycle.facts import KeyOnRelay


def is_too_many(failed: int, switches: int) -> bool:
    """Return True when so many of these switches failed that no more follow: three, or 1 %."""
    return failed >= 3 or (failed > 0 and 100 * failed >= switches)


class Canary(NamedTuple):
    """What became of the switches of the last day, of which the first ones are a trial of the others."""

    told: int
    """Keys with which the relays were told to sign."""
    proven: int
    """Of those, how many every relay that lives has proven."""
    failed: int
    """Of those, with how many a relay does not sign as it should."""

    @property
    def is_stopped(self) -> bool:
        """True when too many fail."""
        return is_too_many(self.failed, self.told)

    @property
    def allowed(self) -> int:
        """Return how many more keys may be handed over: one first, then a hundred for each that is proven."""
        return 0 if self.is_stopped else max(0, max(1, 100 * self.proven) - self.told)


class NotHeld(Unavailable):
    """A relay that lives lacks the key that is to sign next: it was away when that was planned."""


class RelayQueues(NamedTuple):
    """The mail queues of all relays, as they have last reported them."""

    oldest: int | None
    """When the oldest message arrived; 0 when that is not known of a relay, None when all queues are empty."""
    text: str
    """What that message is, in words."""
    lifetime: int
    """For how many seconds a relay keeps a message at most."""


class Relays(Protocol):
    """The relays in service."""

    def facts_of(self, domain: str) -> Mapping[str, Mapping[str, KeyOnRelay]]:
        """Return what is known of a domain's keys on each relay in service: by identity, then by the relay's name."""

    def hand_over(self, key: Key, old: Sequence[Key], now: datetime) -> bool:
        """Have every relay sign with `key` instead of the old ones, from its next sync on.

        Returns False where they were told so before. Raises NotHeld, and nothing is changed then.
        """

    def stop(self, keys: Sequence[Key], now: datetime) -> None:
        """Have every relay sign with none of these keys, from its next sync on."""

    def canary(self, now: datetime) -> Canary:
        """Return what became of the switches of the last day. Runs at the same time may each begin with one."""

    def queue(self) -> RelayQueues:
        """Return what waits in the queues of the relays that were approved, drained ones as well."""

    def due_since(self) -> int | None:
        """Return since when the domain that has been due for longest is due; None where none is."""
