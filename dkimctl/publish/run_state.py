"""The state of one publication run: the open names with their keys and publications, and the reports of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dkimctl.clock import Clock
from dkimctl.errors import DkimctlError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.phases import reach
from dkimctl.keys.store import Key, KeyName, KeyStore, current_key
from dkimctl.publish.publication import Event, Progress, Publication, PublishOutcome


@dataclass(slots=True)
class RunState:
    """The open names of a run. A name that is finished is reported and dropped."""

    store: KeyStore
    clock: Clock
    provider: str
    report: Callable[[Event], None]
    keys: dict[str, KeyName]
    """Owner name → key, of the open names. There may be a million, so the key files are read one at a time."""
    publications: dict[str, Publication] = field(default_factory=dict)
    """Owner name → its state so far, of the names that were started."""
    _last_progress: dict[str, str] = field(default_factory=dict)

    def update(self, name: str, **changes: Any) -> Publication:
        """Set fields of a name's publication. Return it."""
        now = self.publications.get(name)
        if now is None:
            key = self.keys[name]
            now = Publication(key.domain, key.selector, name, self.provider, PublishOutcome.NOT_BEGUN)
        self.publications[name] = replace(now, **changes)
        return self.publications[name]

    def update_and_report(self, name: str, **changes: Any) -> None:
        """Set fields and report the publication, which is not finished yet."""
        self.report(self.update(name, **changes))

    def finish(self, name: str, **changes: Any) -> None:
        """Set fields, report the final state of the publication, and drop the name."""
        final = self.update(name, **changes)
        for by_name in (self.publications, self.keys, self._last_progress):
            by_name.pop(name, None)
        self.report(final)

    def fail(self, name: str, error: DkimctlError) -> None:
        """Finish a name whose record could not be written or proven."""
        self.finish(name, outcome=PublishOutcome.FAILED, error=error)

    def progress(self, subject: str, text: str) -> None:
        """Report progress of a zone or name, unless the text is the same as last time."""
        if self._last_progress.get(subject) != text:
            self._last_progress[subject] = text
            self.report(Progress(subject, text))

    def key(self, name: str) -> Key:
        """Return the key of an owner name, read now. Raises DkimctlError when it cannot be read."""
        return current_key(self.store, self.keys[name])

    def reach(self, name: str, phase: Phase) -> None:
        """Write the phase that a key has reached to its metadata. Raises DkimctlError when that fails."""
        reach(self.store, self.key(name), phase, self.clock.now(), provider=self.provider)
