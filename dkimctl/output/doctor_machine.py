"""What `doctor` found, for monitoring: Nagios and Prometheus."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from dkimctl.findings import Finding, Severity
from dkimctl.output.nagios import STATES, exit_code, plain

_BAD = (Severity.ERROR, Severity.UNKNOWN, Severity.WARNING)


def nagios_text(findings: Sequence[Finding]) -> str:
    """Return one status line with performance data, then a line for each problem (Nagios plugin output)."""
    counts = Counter(f.severity for f in findings)
    summary = ", ".join(f"{counts[s]} {s.value}" for s in _BAD if counts[s]) or "nothing is wrong"
    data = " ".join(f"{s.value}={counts[s]}" for s in _BAD)
    lines = [f"DKIM HOST {STATES[exit_code(counts)]} - {summary} | {data}"]
    lines += [f"{f.code} {f.title} ({plain(f.seen)})" for f in findings if f.severity in _BAD]
    return "\n".join(lines) + "\n"


def prometheus_text(findings: Sequence[Finding], now: datetime) -> str:
    """Return metrics in the text format, for the textfile collector of node_exporter."""
    counts = Counter((f.code, f.severity) for f in findings if f.severity is not Severity.OK)
    wrong = sum(count for (_, severity), count in counts.items() if severity in (Severity.ERROR, Severity.UNKNOWN))
    lines = [
        "# HELP dkimctl_host_right 1 when nothing on this host is wrong and everything could be looked at.",
        "# TYPE dkimctl_host_right gauge",
        f"dkimctl_host_right {int(not wrong)}",
        "# HELP dkimctl_host_findings What dkimctl doctor found, by code.",
        "# TYPE dkimctl_host_findings gauge",
        *(
            f'dkimctl_host_findings{{code="{code}",severity="{severity.value}"}} {count}'
            for (code, severity), count in sorted(counts.items())
        ),
        "# HELP dkimctl_host_last_check_timestamp_seconds When this was found out.",
        "# TYPE dkimctl_host_last_check_timestamp_seconds gauge",
        f"dkimctl_host_last_check_timestamp_seconds {now.timestamp():.0f}",
    ]
    return "\n".join(lines) + "\n"
