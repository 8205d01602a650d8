"""Output of verify-dns: reports shown as they come or together, counted, and recorded for a later run."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple

from dkimctl.cli.app import App
from dkimctl.cli.interrupts import undisturbed
from dkimctl.cli.verify_names import Source
from dkimctl.errors import UsageError, disk_errors
from dkimctl.findings import NOTHING_WRONG, Severity
from dkimctl.output.terminal import Terminal
from dkimctl.verify.report import Report
from dkimctl.verify.tally import Tally, tally_of

if TYPE_CHECKING:
    from dkimctl.verify.resume_file import Notes

_IN_MEMORY = 1 << 20  # octets
_SAMPLES = "write a temporary file (see TMPDIR)"
_LINES = 1000  # printed at a time
_BEGIN = '{"schema": 1, "reports": [\n'


class Portion(NamedTuple):
    """A batch of reports, reduced to what is shown of them."""

    tally: Tally
    documents: tuple[str, ...] = ()
    """Each report on a line: for json and jsonl as it is printed, for prometheus the values needed at the end."""
    notes: tuple[str, ...] = ()
    """For --resume."""


class ReportPrinter:
    """Shows reports in the wanted form and knows the exit code."""

    def __init__(self, app: App, form: str, *, resume: str | None) -> None:
        self._app = app
        self._form = form
        self._tally = Tally()
        self._resume = resume
        self._notes: Notes | None = None
        self._has_begun = False
        self._samples: IO[str] | None = None
        self.in_full = False
        """True to show every report of the text format in full."""
        self.not_checked = ""
        """What was not looked for, in words: a note below the text format, with -v."""
        self.bad_lines: list[int] = []

    @property
    def is_brief(self) -> bool:
        """Return whether right names are shown without details."""
        return self._form in ("text", "nagios", "prometheus") and not self.in_full

    @property
    def _keeps_all(self) -> bool:
        return self.in_full and self._form == "text"

    @property
    def is_nameless(self) -> bool:
        """Return whether right names are only counted."""
        return self.is_brief and self._form != "prometheus" and not self._resume

    def still_to_do(self, source: Source) -> Source:
        """Return the source without the names in the file of --resume, which from now on records finished names."""
        if self._resume is None:
            return source
        from dkimctl.verify.resume_file import Notes

        self._notes = Notes(self._resume)
        if self._notes.in_words:
            errors = f", which {self._resume} lists" if Severity.ERROR in self._notes.severities else ""
            self._app.terminal.note(f"done before: {self._notes.in_words}{errors}")
        done = self._notes.done
        return source.without(lambda target: target.owner in done)

    def portion(self, reports: Sequence[Report]) -> Portion:
        """Return what is shown of some reports; called where they are, which may be another process."""
        notes: tuple[str, ...] = ()
        if self._resume:
            from dkimctl.verify.resume_file import notes_of

            notes = notes_of(reports)
        tally = tally_of(reports, keeps_all=self._keeps_all)
        if self._form in ("text", "nagios"):
            return Portion(tally, notes=notes)
        from dkimctl.output.machine import element, line
        from dkimctl.output.verification_machine import prometheus_sample

        tally.reports.clear()
        forms: dict[str, Callable[[Report], str]]
        forms = {"jsonl": partial(line, "report"), "json": element, "prometheus": prometheus_sample}
        return Portion(tally, tuple(map(forms[self._form], reports)), notes)

    def show(self, portions: Iterable[Portion], total: int | None = None) -> int:
        """Show the reports as they come; return the exit code at the end."""
        if self._form != "prometheus":
            return self._take(portions, total)
        from tempfile import SpooledTemporaryFile

        # the metrics list each record twice, far apart: a line of each is kept until then, of many on the disk
        with SpooledTemporaryFile(_IN_MEMORY, mode="w+", encoding="utf-8") as self._samples:
            return self._take(portions, total)

    def _take(self, portions: Iterable[Portion], total: int | None) -> int:
        try:
            self._tally.keeps_all = self._keeps_all
            for portion in self._watched(portions, total):
                self._tally.merge(portion.tally)
                self._print(portion.documents)
                if self._notes:
                    self._notes.add(portion.notes)
        except BaseException as error:
            if self._has_begun or (self._form == "json" and isinstance(error, KeyboardInterrupt)):
                self._print_end('], "complete": false}')
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"checked so far: {self._tally.in_words or 'nothing'}") from None
            raise
        finally:
            if self._notes:
                self._notes.close()
        if not self._tally.count and not self._notes:  # of many names it is not known in advance which have a key
            raise UsageError("no managed domain has a key that belongs in DNS", hint="see the keys: dkimctl status")
        self._show_together()
        return self.exit_code

    def _print(self, documents: Sequence[str]) -> None:
        """Print each on its own line; in the one document of json after the text that must precede it."""
        if self._samples is not None:
            with disk_errors(_SAMPLES):
                self._samples.writelines(documents)
            return
        if not documents:
            return
        with undisturbed():
            if self._form == "json":
                begin = "," if self._has_begun else _BEGIN
                documents = [begin + documents[0], *("," + document for document in documents[1:])]
                self._has_begun = True
            Terminal().stream("".join(documents))
            if self._form == "jsonl":
                Terminal().flush()  # a reader waits for them, and --resume records no name whose report may be lost

    def _print_end(self, end: str) -> None:
        """End the one document; a later error is reported on stderr only."""
        with undisturbed():
            Terminal().stream(("" if self._has_begun else _BEGIN) + end)
        self._app.json = False

    def show_changes(self, reports: Iterable[Report]) -> int:
        """Print a line for each report as it comes, with jsonl the report itself; then show the last of each name."""
        latest: dict[str, Report] = {}
        try:
            for report in reports:
                latest[report.owner] = report
                worst = report.findings[0]
                self._app.terminal.note(f"{report.owner}: {report.verdict.value}: {worst.code} {worst.title}")
                if self._form == "jsonl":
                    self._print(self.portion([report]).documents)
                    self._app.terminal.flush()  # the reader does not want to wait for the last
        except KeyboardInterrupt:
            if self._form == "json":
                self._print(self.portion(list(latest.values())).documents)
                self._print_end('], "complete": false}')
            known = tally_of(latest.values()).in_words
            raise KeyboardInterrupt(f"last state: {known or 'nothing'}") from None
        last = self.portion(list(latest.values()))
        return self.show([last._replace(documents=()) if self._form == "jsonl" else last])

    @property
    def exit_code(self) -> int:
        """The worst of the findings, earlier runs of --resume included; 2 when only the list had bad lines.

        For Nagios that of its plug-ins.
        """
        found = self._severities
        wrong, unknown = Severity.ERROR in found, Severity.UNKNOWN in found
        if self._form == "nagios":
            from dkimctl.output import nagios

            return nagios.exit_code({*found, Severity.UNKNOWN} if self.bad_lines else found)
        return 3 if unknown else 1 if wrong else 2 if self.bad_lines else 0

    @property
    def _severities(self) -> frozenset[Severity]:
        return frozenset(self._tally.severities) | frozenset(self._notes.severities if self._notes else ())

    @property
    def _is_all_right(self) -> bool:
        """Return whether nothing needs to be said: for cron, which mails what -q prints."""
        return self._severities <= NOTHING_WRONG and not self.bad_lines

    def _watched(self, portions: Iterable[Portion], total: int | None) -> Iterator[Portion]:
        from dkimctl.output.progress import watched

        what = "asking the name servers" if total == 1 else "names"
        return watched(portions, self._app.terminal, what, total=total, size=lambda portion: portion.tally.count)

    def _show_metrics(self, kept: IO[str]) -> None:
        from dkimctl.output.verification_machine import prometheus_lines

        def samples() -> Iterable[str]:
            with disk_errors(_SAMPLES):
                kept.seek(0)
            return kept

        lines = prometheus_lines(samples, self._tally, self._app.clock.now())
        while some := "".join(islice(lines, _LINES)):
            self._app.terminal.result(some)

    def _show_together(self) -> None:
        terminal = self._app.terminal
        if self._form == "nagios":
            from dkimctl.output.verification_machine import nagios_text

            self._tally.verdicts.update(self._notes.verdicts if self._notes else ())
            terminal.result(nagios_text(self._tally, self.exit_code, verbose=terminal.verbosity > 0))
        elif self._samples is not None:
            self._show_metrics(self._samples)
        elif self._form == "text" and not (terminal.verbosity < 0 and self._is_all_right):
            from dkimctl.output.verification import verification_blocks

            terminal.show(verification_blocks(self._tally, in_full=self.in_full))
            if not self.in_full and any(report.publish for report in self._tally.reports):
                terminal.note("-v shows each report in full, with the record to publish")
            if self.not_checked and terminal.verbosity > 0:
                terminal.note(self.not_checked)
        elif self._form == "json":
            self._print_end("]}")
