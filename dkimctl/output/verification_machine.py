"""Reports about key records for programs: JSON lines, Nagios, Prometheus."""

from datetime import datetime

from dkimctl.findings import Severity
from dkimctl.output.nagios import STATES, plain
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.tally import Tally


def nagios_text(tally: Tally, exit_code: int) -> str:
    """One status line with performance data, then a line for each problem (Nagios plugin output)."""
    data = " ".join(f"{v.value}={tally.verdicts[v]}" for v in Verdict)
    lines = [f"DKIM {STATES[exit_code]} - {tally.in_words or 'nothing to check'} | {data}"]
    for report in tally.reports:
        if not report.is_right:
            worst = report.findings[0]
            lines.append(f"{report.owner}: {worst.code} {worst.title} ({plain(worst.seen)})")
    return "\n".join(lines) + "\n"


def prometheus_text(tally: Tally, now: datetime) -> str:
    """Metrics in the text format, for the textfile collector of node_exporter; of a tally that kept every report."""
    lines = [
        "# HELP dkimctl_key_record_right 1 when every authoritative server serves the right key record.",
        "# TYPE dkimctl_key_record_right gauge",
        *(f"dkimctl_key_record_right{_labels(r)} {int(r.is_right)}" for r in tally.reports),
        "# HELP dkimctl_key_record_unknown 1 when the key record could not be checked.",
        "# TYPE dkimctl_key_record_unknown gauge",
        *(f"dkimctl_key_record_unknown{_labels(r)} {int(r.verdict is Verdict.UNKNOWN)}" for r in tally.reports),
    ]
    counts = sorted((code, severity, count) for (severity, code, _), count in tally.findings.items())
    lines += [
        "# HELP dkimctl_findings Key records with this finding.",
        "# TYPE dkimctl_findings gauge",
        *(
            f'dkimctl_findings{{code="{code}",severity="{severity.value}"}} {count}'
            for code, severity, count in counts
            if severity is not Severity.OK
        ),
        "# HELP dkimctl_last_check_timestamp_seconds When this was found out.",
        "# TYPE dkimctl_last_check_timestamp_seconds gauge",
        f"dkimctl_last_check_timestamp_seconds {now.timestamp():.0f}",
    ]
    return "\n".join(lines) + "\n"


def _labels(report: Report) -> str:
    return f'{{domain="{report.domain}",selector="{report.selector}"}}'
