"""What becomes of the reports of verify-dns: shown as they come or together, counted, noted for another run."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from dkimctl.cli.frame import App

if TYPE_CHECKING:
    from dkimctl.findings import Severity
    from dkimctl.verify.report import Report, Target


class Outcome:
    """Shows reports in the wanted form and knows the exit code."""

    def __init__(self, app: App, form: str, *, watch: bool, resume: str | None) -> None:
        self._app = app
        self._form = form
        self._watch = watch
        self._severities: dict[str, frozenset[Severity]] = {}
        self._counts: Counter[str] = Counter()
        self._worst: set[Severity] = set()
        self.bad_lines: list[int] = []
        self._resume = resume
        self._done: TextIO | None = None

    def still_to_do(self, targets: "Iterator[Target]") -> "Iterator[Target]":
        """The targets that do not stand in the file of what is done; from now on it gets each name that is."""
        if self._resume is None:
            return targets
        from dkimctl.errors import disk_errors

        with disk_errors(f"write {self._resume}"):
            self._done = open(self._resume, "a+", encoding="ascii", buffering=1)  # noqa: SIM115 - closed by show
            self._done.seek(0)
            done = set(self._done.read().split("\n"))
        return (target for target in targets if target.owner not in done)

    def show(self, reports: "Iterable[Report]") -> int:
        """Take the reports as they come; the exit code when all are there."""
        try:
            kept = list(self._kept(reports))
        except KeyboardInterrupt:
            known = ", ".join(f"{count} {verdict}" for verdict, count in sorted(self._counts.items()))
            self._app.terminal.note(f"checked so far: {known or 'nothing'}")
            raise
        finally:
            if self._done:
                self._done.close()
        self._show_together(kept)
        return self.exit_code

    @property
    def exit_code(self) -> int:
        """The worse of what was found; 2 when only the list had bad lines."""
        from dkimctl.findings import Severity

        found = self._worst.union(*self._severities.values())
        if Severity.UNKNOWN in found:
            return 3
        return 1 if Severity.ERROR in found else 2 if self.bad_lines else 0

    def _kept(self, reports: "Iterable[Report]") -> "Iterator[Report]":
        """Count each; show at once what is shown one by one; hand on what is shown together."""
        from dkimctl.output.machine import line

        latest: dict[str, Report] = {}
        for report in reports:
            self._counts[report.verdict.value] += 1
            if self._watch:
                latest[report.owner] = report
                self._severities[report.owner] = frozenset(f.severity for f in report.findings)
                self._app.terminal.note(_change(report))
            else:
                self._worst.update(f.severity for f in report.findings)
            if self._form == "jsonl":
                self._app.terminal.result(line("report", report))
            elif not self._watch:
                yield report
            if self._done:
                self._done.write(report.owner + "\n")
        yield from latest.values() if self._form != "jsonl" else ()

    def _show_together(self, reports: "list[Report]") -> None:
        terminal = self._app.terminal
        if self._form == "nagios":
            from dkimctl.output.verification_machine import nagios_text

            terminal.result(nagios_text(reports, self.exit_code))
        elif self._form == "prometheus":
            from dkimctl.output.verification_machine import prometheus_text

            terminal.result(prometheus_text(reports, self._app.clock.now()))
        elif self._form != "jsonl":
            from dkimctl.output.verification import verification_text

            terminal.result(verification_text(reports, verbose=terminal.verbosity > 0))
            terminal.document("reports", reports)


def _change(report: "Report") -> str:
    worst = report.findings[0]
    return f"{report.owner}: {report.verdict.value}: {worst.code} {worst.title}"
