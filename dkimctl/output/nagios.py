"""Output and exit code of every check as a Nagios plug-in."""

from collections.abc import Collection, Sequence

from dkimctl.findings import Finding, Severity
from dkimctl.output.escapes import OF_MESSAGES

STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}
UNKNOWN = 3
"""The exit code of every check that ended before it knew."""
_LONGEST = 300
"""Characters of a problem in the status line: NRPE cuts off what follows 1024, performance data included."""
BAD = (Severity.ERROR, Severity.UNKNOWN, Severity.WARNING)
"""The severities that a plug-in reports, the worst first."""


def exit_code(severities: Collection[Severity]) -> int:
    """Return the plug-in's exit code, a key of `STATES`. An error outranks a check that could not run."""
    if Severity.ERROR in severities:
        return 2
    if Severity.UNKNOWN in severities:
        return 3
    return 1 if Severity.WARNING in severities else 0


def plugin_text(status: str, data: str, problems: Sequence[str], *, untold: int = 0, verbose: bool = False) -> str:
    """Return the plug-in's line: its status, the first of its problems, how many more there are, performance data.

    `verbose`: below it each problem has a line of its own. `untold`: the number of those that are not in `problems`.
    """
    first = f": {_cut(problems[0])}" if problems else ""
    more = len(problems) + untold - 1
    lines = [f"DKIM {status}{first}{f'; and {more} more' if more > 0 else ''} | {data}"]
    if verbose:
        lines += [*problems, *([f"and {untold} more"] if untold else [])]
    return "\n".join(lines) + "\n"


def _cut(problem: str) -> str:
    return problem if len(problem) <= _LONGEST else problem[:_LONGEST] + "…"


def unknown_text(message: str, more: Sequence[str] = ()) -> str:
    """Return the status line of a check that ended with this error, its problems and its hint."""
    return plain("; ".join((f"DKIM {STATES[UNKNOWN]} - {message}", *more))) + "\n"


def problem_line(found: Finding) -> str:
    """Return what is said of a finding."""
    return f"{found.code} {found.title} ({plain(found.seen)})"


def plain(text: str) -> str:
    """Return `text` for the output's lines: a bar would begin performance data."""
    return text.replace("|", "/").replace("\n", " ").translate(OF_MESSAGES)
