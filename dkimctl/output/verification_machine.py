"""Reports about key records for programs: JSON lines, Nagios, Prometheus."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from dkimctl.findings import Severity
from dkimctl.verify.report import Report, Verdict

_STATES = {0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}  # how Nagios reads an exit code


def nagios_text(reports: Sequence[Report], exit_code: int) -> str:
    """One status line with performance data, then a line for each problem (Nagios plugin output)."""
    counts = Counter(report.verdict for report in reports)
    summary = ", ".join(f"{counts[v]} {v.value}" for v in Verdict if counts[v]) or "nothing to check"
    data = " ".join(f"{v.value}={counts[v]}" for v in Verdict)
    lines = [f"DKIM {_STATES[exit_code]} - {summary} | {data}"]
    for report in reports:
        if not report.is_right:
            worst = report.findings[0]
            lines.append(f"{report.owner}: {worst.code} {worst.title} ({_plain(worst.seen)})")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "/")  # a bar would begin performance data


def prometheus_text(reports: Sequence[Report], now: datetime) -> str:
    """Metrics in the text format, for the textfile collector of node_exporter."""
    lines = [
        "# HELP dkimctl_key_record_right 1 when every authoritative server serves the right key record.",
        "# TYPE dkimctl_key_record_right gauge",
    ]
    lines += [f"dkimctl_key_record_right{_labels(r)} {int(r.is_right)}" for r in reports]
    lines += [
        "# HELP dkimctl_key_record_unknown 1 when the key record could not be checked.",
        "# TYPE dkimctl_key_record_unknown gauge",
    ]
    lines += [f"dkimctl_key_record_unknown{_labels(r)} {int(r.verdict is Verdict.UNKNOWN)}" for r in reports]
    counts = Counter((f.code, f.severity) for r in reports for f in {f.code: f for f in r.findings}.values())
    lines += [
        "# HELP dkimctl_findings Key records with this finding.",
        "# TYPE dkimctl_findings gauge",
        *(
            f'dkimctl_findings{{code="{code}",severity="{severity.value}"}} {count}'
            for (code, severity), count in sorted(counts.items())
            if severity is not Severity.OK
        ),
        "# HELP dkimctl_last_check_timestamp_seconds When this was found out.",
        "# TYPE dkimctl_last_check_timestamp_seconds gauge",
        f"dkimctl_last_check_timestamp_seconds {now.timestamp():.0f}",
    ]
    return "\n".join(lines) + "\n"


def _labels(report: Report) -> str:
    return f'{{domain="{report.domain}",selector="{report.selector}"}}'
