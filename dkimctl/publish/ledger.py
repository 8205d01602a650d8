"""The books of one publication run: each name's key, how far it is, and who is told."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dkimctl.clock import Clock
from dkimctl.errors import DkimctlError
from dkimctl.keys.metadata import Phase
from dkimctl.keys.phases import reach
from dkimctl.keys.store import Key, KeyName, KeyStore, current_key
from dkimctl.publish.published import Event, Progress, Publication, PublishOutcome


@dataclass(slots=True)
class Ledger:
    """What is still open, by the name of the record; whatever has come to its end is told and forgotten."""

    store: KeyStore
    clock: Clock
    provider: str
    report: Callable[[Event], None]
    keys: dict[str, KeyName]
    """The keys that have not come to their end; there may be a million, so they are read when it is their turn."""
    publications: dict[str, Publication] = field(default_factory=dict)
    """How far those are that were begun."""
    _said: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, **changes: Any) -> Publication:
        """Change fields of a publication."""
        now = self.publications.get(name)
        if now is None:
            key = self.keys[name]
            now = Publication(key.domain, key.selector, name, self.provider, PublishOutcome.NOT_BEGUN)
        self.publications[name] = replace(now, **changes)
        return self.publications[name]

    def announce(self, name: str, **changes: Any) -> None:
        """Change fields, and let the reader know; more is to come."""
        self.report(self.note(name, **changes))

    def finish(self, name: str, **changes: Any) -> None:
        """Change fields, report the final state of the publication, and forget it."""
        ended = self.note(name, **changes)
        for books in (self.publications, self.keys, self._said):
            books.pop(name, None)
        self.report(ended)

    def fail(self, name: str, error: DkimctlError) -> None:
        """It ended with an error before its record stood."""
        self.finish(name, outcome=PublishOutcome.FAILED, error=error)

    def say(self, subject: str, text: str) -> None:
        """Progress; the same words about the same subject only once."""
        if self._said.get(subject) != text:
            self._said[subject] = text
            self.report(Progress(subject, text))

    def key(self, name: str) -> Key:
        """The key whose record stands there, as it is now. Raises DkimctlError when it cannot be read."""
        return current_key(self.store, self.keys[name])

    def reach(self, name: str, phase: Phase) -> None:
        """Note beside the key how far it has come. Raises DkimctlError when that cannot be done."""
        reach(self.store, self.key(name), phase, self.clock.now(), provider=self.provider)
