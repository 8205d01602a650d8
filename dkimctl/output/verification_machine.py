"""Reports about key records for programs: JSON lines and their schema, Nagios, Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from importlib.resources import files

from dkimctl.findings import Severity
from dkimctl.output.nagios import STATES, plain, problem_line
from dkimctl.output.prometheus import finding_counts, head, labels, last_check
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.tally import Tally

FILE = "verify-dns.schema.json"


def nagios_text(tally: Tally, exit_code: int) -> str:
    """Return one status line with performance data, then a line for each problem (Nagios plugin output)."""
    data = " ".join(f"{v.value}={tally.verdicts[v]}" for v in Verdict)
    lines = [f"DKIM {STATES[exit_code]} - {tally.in_words or 'nothing to check'} | {data}"]
    wrong = (report for report in tally.reports if not report.is_right)
    lines += [f"{plain(report.owner)}: {problem_line(report.findings[0])}" for report in wrong]
    if tally.untold:
        lines.append(f"and {tally.untold} more")
    return "\n".join(lines) + "\n"


def prometheus_sample(report: Report) -> str:
    """Return a line with what `prometheus_lines` needs of a report, which lists every name twice."""
    name = labels(domain=report.domain, selector=report.selector)
    return f"{int(report.is_right)}{int(report.verdict is Verdict.UNKNOWN)}{name}\n"


def prometheus_lines(samples: Callable[[], Iterable[str]], tally: Tally, now: datetime) -> Iterator[str]:
    """Yield metrics in the text format, for the textfile collector of node_exporter; `samples` yields all each time."""
    yield head("dkimctl_key_record_right", "1 when every authoritative server serves the right key record.")
    yield from (f"dkimctl_key_record_right{sample[2:-1]} {sample[0]}\n" for sample in samples())
    yield head("dkimctl_key_record_unknown", "1 when the key record could not be checked.")
    yield from (f"dkimctl_key_record_unknown{sample[2:-1]} {sample[1]}\n" for sample in samples())
    counts: Counter[tuple[str, Severity]] = Counter()
    for (severity, code, _), count in tally.findings.items():
        counts[code, severity] += count
    yield from finding_counts("dkimctl_findings", "Key records with this finding.", counts)
    yield last_check("dkimctl_last_check_timestamp_seconds", now)


def schema_text() -> str:
    """Return the schema as a JSON document (draft 2020-12), ending with a line feed."""
    return files("dkimctl.output").joinpath(FILE).read_text("utf-8")
