"""Read the serial in Knot's journal of a zone, as printed by `kjournalprint`."""

import re
from pathlib import Path

from dkimctl.errors import Unavailable
from dkimctl.programs.child import run_program

_CHANGED = re.compile(r"zone versions: \d{1,10} -> (\d{1,10})")
_WHOLE = re.compile(r"^;; Zone-in-journal, serial: (\d{1,10})", re.MULTILINE)


def newest_serial(configuration: Path, zone: str) -> int | None:
    """Return the serial of the newest change in the journal; None when it is empty or cannot be read."""
    try:
        ended = run_program("kjournalprint", "-n", "-l", "1", "-c", str(configuration), zone)
    except Unavailable:
        return None
    found = [*_WHOLE.findall(ended.out), *_CHANGED.findall(ended.out)]
    return int(found[-1]) if ended.code == 0 and found else None
