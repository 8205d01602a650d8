"""The file of --resume: which names are done and what was found, so that another run goes on and still reports all."""

import errno
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable

from dkimctl.errors import UsageError, disk_errors
from dkimctl.files import open_log
from dkimctl.findings import Severity
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.targets import SeenNames

_NOTE = re.compile(f"(.+) ({Verdict.RIGHT}|{Verdict.WRONG})( {Severity.WARNING})?\n")
_LONGEST = 4096  # octets of a line: a name has 255 at most
_PART = re.compile("[^ ]+ [a-z ]+")  # of a note whose end was not written


def notes_of(reports: Iterable[Report]) -> tuple[str, ...]:
    """A line for each name that is done. One that could not be asked is not: the next run asks again."""
    return tuple(
        f"{report.owner} {report.verdict.value}{_warning(report)}"
        for report in reports
        if report.verdict is not Verdict.UNKNOWN and report.owner.isprintable()
    )


def _warning(report: Report) -> str:
    return f" {Severity.WARNING}" if any(f.severity is Severity.WARNING for f in report.findings) else ""


class Notes:
    """The lines of earlier runs, followed by those of this one."""

    def __init__(self, path: str) -> None:
        """Read what is there, and keep it open for more. Raises DiskError, and UsageError for another kind of file."""
        self.done = SeenNames()
        self.severities: set[Severity] = set()
        """Of what earlier runs found, as far as the exit code depends on it."""
        self.verdicts: Counter[Verdict] = Counter()
        self._path = path
        with disk_errors(f"write {path}"):
            self._stream = open_log(path, encoding="ascii")
            try:
                self._begin()
            except BaseException:
                self._stream.close()
                raise

    def _begin(self) -> None:
        self._stream.seek(0)  # fails for a pipe and the like
        if stat.S_ISCHR(os.fstat(self._stream.fileno()).st_mode) and self._stream.read(1):
            raise OSError(errno.EINVAL, "this is a device, not a file")
        self._read()

    def _read(self) -> None:
        whole = 0
        for number, line in enumerate(iter(lambda: self._stream.readline(_LONGEST), ""), 1):
            note = _NOTE.fullmatch(line)
            is_cut = not line.endswith("\n") and len(line) < _LONGEST
            if note is None and is_cut and (whole or _PART.fullmatch(line)):
                self._stream.truncate(whole)  # a full disk, or a machine that stopped: half a name may be another one's
                return
            if note is None:  # a list of names, given by mistake, would make everything seem done and right
                raise UsageError(
                    f"line {number} of {self._path} was not written by --resume",
                    hint="name a file of its own, a new one to start over; or take a damaged line out of it",
                )
            whole += len(line)
            owner, verdict, warning = note.groups()
            if self.done.add(owner):
                self.verdicts[Verdict(verdict)] += 1
            self.severities |= {Severity.WARNING} if warning else set()
        if self.verdicts[Verdict.WRONG]:
            self.severities.add(Severity.ERROR)

    def add(self, notes: Iterable[str]) -> None:
        """Write these lines now. Raises DiskError."""
        with disk_errors(f"write {self._path}"):
            self._stream.writelines(note + "\n" for note in notes)

    def close(self) -> None:
        """No more lines."""
        self._stream.close()

    @property
    def in_words(self) -> str:
        """`8 right, 1 wrong` of the earlier runs; empty when there was none."""
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
