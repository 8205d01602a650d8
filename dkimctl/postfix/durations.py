"""Times in main.cf (postconf(5)): a number with s, m, h, d or w, or in the parameter's own unit."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
QUEUE_LIFETIME = "maximal_queue_lifetime"
"""For how long Postfix keeps a message that it cannot deliver."""
_DEFAULT_QUEUE_LIFETIME = 5 * 86400


def queue_lifetime(value: str) -> int:
    """Return the seconds that a value of maximal_queue_lifetime means; Postfix's default where it cannot be read."""
    found = re.fullmatch(r"(\d{1,9})([smhdw]?)", value)
    return int(found[1]) * _UNITS[found[2] or "d"] if found else _DEFAULT_QUEUE_LIFETIME
