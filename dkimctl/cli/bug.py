"""A bug in dkimctl: one line for the user, the traceback in a private file."""

import sys
import traceback
from typing import TYPE_CHECKING

from dkimctl.errors import DkimctlError
from dkimctl.files import new_file
from dkimctl.version import VERSION

if TYPE_CHECKING:
    from dkimctl.output.terminal import Terminal


class Bug(DkimctlError):
    """An error that can only be a bug in dkimctl."""

    exit_code = 70


def report_bug(error: Exception, terminal: "Terminal") -> None:
    """Write the traceback, without the values of variables, to a file that only the caller can read, and name it."""
    try:
        where = f"the traceback is in {_write_traceback(error)}"
    except DkimctlError as failure:
        where = f"the traceback could not be written: {failure.message}"
    terminal.error(
        Bug(
            f"this is a bug in dkimctl ({type(error).__name__}); {where}",
            hint="please report it with that file and the command you typed; look through the file first",
        )
    )


def _write_traceback(error: Exception) -> str:
    text = f"dkimctl {VERSION}, python {sys.version}\n" + "".join(traceback.format_exception(error))
    return str(new_file("bug", text.encode("utf-8", "backslashreplace")))
