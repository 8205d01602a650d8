"""Child processes: the only place that starts any.

`search` finds programs where only root can put them, `child` runs one with nothing of ours but its arguments,
`open_as_user` finds out what another user (`identity`) can open with the program `opener`, `systemd` says whether it
runs this machine, `workers` are processes of our own that share a long list, `cores` says how many can work at once.
"""

from dkimctl.programs.child import Ended, environment, run_program
from dkimctl.programs.identity import Identity
from dkimctl.programs.search import changeable_at, find_program
from dkimctl.programs.systemd import can_start_units, has_systemd, log_of

__all__ = [
    "Ended",
    "Identity",
    "can_start_units",
    "changeable_at",
    "environment",
    "find_program",
    "has_systemd",
    "log_of",
    "run_program",
]
