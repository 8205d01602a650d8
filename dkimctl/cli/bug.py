"""What happens when dkimctl itself is wrong: one line for the user, the traceback in a private file."""

import os
import sys
import tempfile
import traceback
from typing import TYPE_CHECKING

from dkimctl.errors import DkimctlError

if TYPE_CHECKING:
    from dkimctl.output.terminal import Terminal


class Bug(DkimctlError):
    """Something that must not happen did."""

    exit_code = 70


def report_bug(error: Exception, terminal: "Terminal") -> None:
    """Write the traceback, without the values of variables, to a file that only the caller can read, and name it."""
    descriptor, path = tempfile.mkstemp(prefix="dkimctl-bug-", suffix=".txt")
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"python {sys.version}\n")
        stream.writelines(traceback.format_exception(error))
    terminal.error(
        Bug(
            f"this is a bug in dkimctl ({type(error).__name__}); the traceback is in {path}",
            hint="please report it with that file and the command you typed; look through the file first",
        )
    )
