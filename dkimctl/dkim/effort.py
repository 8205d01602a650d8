"""A limit on the work per message, counted in octets and not in seconds."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(slots=True)
class Effort:
    """Octets that may still be processed; every attempt takes its share first."""

    left: int
    is_exhausted: bool = False
    """True when an attempt was skipped for lack of octets."""
    taken: int = 0

    def take(self, octets: int) -> bool:
        """Deduct octets from the budget and return True; return False when too few are left."""
        if octets > self.left:
            self.is_exhausted = True
            return False
        self.left -= octets
        self.taken += octets
        return True


def body_effort() -> Effort:
    """Return the budget for finding a changed body, per message: about half a second of one core."""
    return Effort(40 * MEBIBYTE)


def header_effort() -> Effort:
    """Return the budget for finding a changed header, per message: about half a second of one core."""
    return Effort(24 * MEBIBYTE)
