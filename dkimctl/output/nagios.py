"""Output and exit code of every check as a Nagios plug-in."""

from collections.abc import Collection

from dkimctl.findings import Severity
from dkimctl.output.escapes import OF_MESSAGES

STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}


def exit_code(severities: Collection[Severity]) -> int:
    """Return the plug-in's exit code, a key of `STATES`. An error outranks a check that could not run."""
    if Severity.ERROR in severities:
        return 2
    if Severity.UNKNOWN in severities:
        return 3
    return 1 if Severity.WARNING in severities else 0


def plain(text: str) -> str:
    """Return `text` for the output's lines: a bar would begin performance data."""
    return text.replace("|", "/").replace("\n", " ").translate(OF_MESSAGES)
