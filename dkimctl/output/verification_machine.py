"""Reports about key records for programs: JSON lines and their schema, Nagios, Prometheus."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib.resources import files

from dkimctl.findings import Severity
from dkimctl.output.escapes import OF_LABELS
from dkimctl.output.nagios import STATES, plain
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.tally import Tally

FILE = "verify-dns.schema.json"


def nagios_text(tally: Tally, exit_code: int) -> str:
    """Return one status line with performance data, then a line for each problem (Nagios plugin output)."""
    data = " ".join(f"{v.value}={tally.verdicts[v]}" for v in Verdict)
    lines = [f"DKIM {STATES[exit_code]} - {tally.in_words or 'nothing to check'} | {data}"]
    for report in tally.reports:
        if not report.is_right:
            worst = report.findings[0]
            lines.append(f"{plain(report.owner)}: {worst.code} {worst.title} ({plain(worst.seen)})")
    if tally.untold:
        lines.append(f"and {tally.untold} more")
    return "\n".join(lines) + "\n"


def prometheus_sample(report: Report) -> str:
    """Return a line with what `prometheus_lines` needs of a report, which lists every name twice."""
    labels = f'domain="{report.domain.translate(OF_LABELS)}",selector="{report.selector.translate(OF_LABELS)}"'
    return f"{int(report.is_right)}{int(report.verdict is Verdict.UNKNOWN)}{{{labels}}}\n"


def prometheus_lines(samples: Callable[[], Iterable[str]], tally: Tally, now: datetime) -> Iterator[str]:
    """Yield metrics in the text format, for the textfile collector of node_exporter; `samples` yields all each time."""
    yield "# HELP dkimctl_key_record_right 1 when every authoritative server serves the right key record.\n"
    yield "# TYPE dkimctl_key_record_right gauge\n"
    yield from (f"dkimctl_key_record_right{sample[2:-1]} {sample[0]}\n" for sample in samples())
    yield "# HELP dkimctl_key_record_unknown 1 when the key record could not be checked.\n"
    yield "# TYPE dkimctl_key_record_unknown gauge\n"
    yield from (f"dkimctl_key_record_unknown{sample[2:-1]} {sample[1]}\n" for sample in samples())
    yield "# HELP dkimctl_findings Key records with this finding.\n"
    yield "# TYPE dkimctl_findings gauge\n"
    for code, severity, count in sorted(
        (code, severity, count) for (severity, code, _), count in tally.findings.items()
    ):
        if severity is not Severity.OK:
            yield f'dkimctl_findings{{code="{code}",severity="{severity.value}"}} {count}\n'
    yield "# HELP dkimctl_last_check_timestamp_seconds When this was found out.\n"
    yield "# TYPE dkimctl_last_check_timestamp_seconds gauge\n"
    yield f"dkimctl_last_check_timestamp_seconds {now.timestamp():.0f}\n"


def schema_text() -> str:
    """Return the schema as a JSON document (draft 2020-12), ending with a line feed."""
    return files("dkimctl.output").joinpath(FILE).read_text("utf-8")
