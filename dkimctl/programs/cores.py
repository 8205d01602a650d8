"""The cores of this machine."""

import os


def cores() -> int:
    """Return the number of the machine's cores that this process may use."""
    return len(os.sched_getaffinity(0))
