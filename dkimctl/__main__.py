"""`python -m dkimctl`: the same program as the `dkimctl` command.

Python puts the current directory in front of everything that is imported, so a file there would run instead of a
module of Python's. It is taken out before anything else is imported, unless this package itself comes from there.
Only `python -P -m dkimctl` keeps Python from looking there for this package as well.
"""

import os
import sys


def _leave_current_directory() -> None:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not sys.flags.safe_path and sys.path and sys.path[0] != package:
        del sys.path[0]


_leave_current_directory()

from dkimctl.entry import main  # noqa: E402

sys.exit(main())
