"""A congestion window: how many questions may be in flight at once."""

from dataclasses import dataclass
from math import inf


@dataclass(slots=True)
class Window:
    """Grows with answers, halves with losses, as TCP's does (RFC 5681 §3.1)."""

    size: float
    widest: float = inf
    threshold: float = inf
    """From this size on it grows slowly."""

    def widen(self) -> None:
        """After an answer: one more, or above the threshold one more for each window of answers."""
        self.size = min(self.widest, self.size + (1 if self.size < self.threshold else 1 / self.size))

    def halve(self) -> None:
        """After a loss."""
        self.size /= 2
