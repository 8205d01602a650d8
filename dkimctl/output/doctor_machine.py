"""What `doctor` found, for monitoring: Nagios and Prometheus."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from dkimctl.findings import Finding, Severity
from dkimctl.output.nagios import BAD, STATES, exit_code, plugin_text, problem_line
from dkimctl.output.prometheus import finding_counts, head, last_check


def nagios_text(findings: Sequence[Finding], *, verbose: bool = False) -> str:
    """Return the output of a Nagios plug-in; if `verbose`, with a line for each problem."""
    counts = Counter(f.severity for f in findings)
    summary = ", ".join(f"{counts[s]} {s.value}" for s in BAD if counts[s]) or "nothing is wrong"
    data = " ".join(f"{s.value}={counts[s]}" for s in BAD)
    problems = [problem_line(f) for f in findings if f.severity in BAD]
    return plugin_text(f"HOST {STATES[exit_code(counts)]} - {summary}", data, problems, verbose=verbose)


def prometheus_text(findings: Sequence[Finding], now: datetime) -> str:
    """Return metrics in the text format, for the textfile collector of node_exporter."""
    right = not any(f.severity in (Severity.ERROR, Severity.UNKNOWN) for f in findings)
    counts = Counter((f.code, f.severity) for f in findings)
    return "".join(
        (
            head("dkimctl_host_right", "1 when nothing on this host is wrong and everything could be checked."),
            f"dkimctl_host_right {int(right)}\n",
            *finding_counts("dkimctl_host_findings", "What dkimctl doctor found, by code.", counts),
            last_check("dkimctl_host_last_check_timestamp_seconds", now),
        )
    )
