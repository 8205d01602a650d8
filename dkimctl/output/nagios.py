"""Output and exit code of every check as a Nagios plug-in."""

from collections.abc import Collection, Sequence

from dkimctl.findings import Finding, Severity
from dkimctl.output.escapes import OF_MESSAGES

STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}
UNKNOWN = 3
"""The exit code of every check that ended before it knew."""
BAD = (Severity.ERROR, Severity.UNKNOWN, Severity.WARNING)
"""The severities of which a plug-in tells, the worst first."""


def exit_code(severities: Collection[Severity]) -> int:
    """Return the plug-in's exit code, a key of `STATES`. An error outranks a check that could not run."""
    if Severity.ERROR in severities:
        return 2
    if Severity.UNKNOWN in severities:
        return 3
    return 1 if Severity.WARNING in severities else 0


def unknown_text(message: str, more: Sequence[str] = ()) -> str:
    """Return the status line of a check that ended with this error, then a line for each of its problems and hints."""
    return "".join(f"{plain(line)}\n" for line in (f"DKIM {STATES[UNKNOWN]} - {message}", *more))


def problem_line(found: Finding) -> str:
    """Return the line of a finding below the status line."""
    return f"{found.code} {found.title} ({plain(found.seen)})"


def plain(text: str) -> str:
    """Return `text` for the output's lines: a bar would begin performance data."""
    return text.replace("|", "/").replace("\n", " ").translate(OF_MESSAGES)
