"""A limit to the work that one message may cause, counted in octets and not in seconds."""

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(slots=True)
class Effort:
    """Octets that may still be processed; every attempt takes its share first."""

    left: int
    is_exhausted: bool = False
    """True when an attempt was left out for lack of them."""
    taken: int = 0

    def take(self, octets: int) -> bool:
        """Return True and count them when so many may be processed; note it when not."""
        if octets > self.left:
            self.is_exhausted = True
            return False
        self.left -= octets
        self.taken += octets
        return True


def body_effort() -> Effort:
    """Return what the search for a changed body may cost per message: about half a second of one core."""
    return Effort(40 * MEBIBYTE)


def header_effort() -> Effort:
    """Return what the search for a changed header may cost per message: about half a second of one core."""
    return Effort(24 * MEBIBYTE)
