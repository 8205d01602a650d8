"""The file of --resume: which names are done and what was found, so that another run goes on and still tells of all."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dkimctl.errors import disk_errors
from dkimctl.verify.report import Report, Verdict
from dkimctl.verify.targets import SeenNames


def notes_of(reports: Iterable[Report]) -> tuple[str, ...]:
    """A line for each name that is done. One that could not be asked is not: the next run asks again."""
    return tuple(
        f"{report.owner} {report.verdict.value}" for report in reports if report.verdict is not Verdict.UNKNOWN
    )


class Notes:
    """The lines of earlier runs, and those of this one behind them."""

    def __init__(self, path: str) -> None:
        """Read what is there, and keep it open for more. Raises DiskError."""
        self.done = SeenNames()
        self.verdicts: Counter[str] = Counter()
        self._path = path
        with disk_errors(f"write {path}"):
            self._stream = Path(path).open("a+", encoding="ascii", errors="replace", newline="\n", buffering=1)  # noqa: SIM115
            self._stream.seek(0)
            self._read()

    def _read(self) -> None:
        whole = 0
        for line in self._stream:
            if not line.endswith("\n"):  # a full disk, or a machine that stopped: half a name may be another one's
                self._stream.truncate(whole)
                return
            whole += len(line)
            owner, _, verdict = line.strip().partition(" ")
            if self.done.add(owner):
                self.verdicts[verdict or Verdict.RIGHT.value] += 1

    def add(self, notes: Iterable[str]) -> None:
        """Write these lines now. Raises DiskError."""
        with disk_errors(f"write {self._path}"):
            self._stream.writelines(note + "\n" for note in notes)

    def close(self) -> None:
        """No more lines."""
        self._stream.close()

    @property
    def has_errors(self) -> bool:
        """True when an earlier run found an error."""
        return self.verdicts[Verdict.WRONG.value] > 0

    @property
    def in_words(self) -> str:
        """`8 right, 1 wrong` of the earlier runs; empty when there was none."""
        return ", ".join(f"{count} {verdict}" for verdict, count in sorted(self.verdicts.items()))
