"""Reports about key records for programs: JSON lines, Nagios, Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from dkimctl.findings import Severity
from dkimctl.output.nagios import STATES, plain, plugin_text, problem_line
from dkimctl.output.prometheus import finding_counts, head, labels, last_check
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.tally import Tally


def nagios_text(tally: Tally, exit_code: int, *, verbose: bool = False) -> str:
    """Return the output of a Nagios plug-in; if `verbose`, with a line for each name that is not right."""
    data = " ".join(f"{v.value}={tally.verdicts[v]}" for v in Verdict)
    status = f"{STATES[exit_code]} - {tally.in_words or 'nothing to check'}"
    bad = [report for report in tally.reports if not report.is_right]
    bad.sort(key=lambda report: report.verdict is Verdict.UNKNOWN)
    problems = [f"{plain(report.owner)}: {problem_line(report.findings[0])}" for report in bad]
    return plugin_text(status, data, problems, untold=tally.untold, verbose=verbose)


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
