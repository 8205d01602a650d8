"""What was served and what was signed, each with its time; and what of it breaks a promise.

The judge knows nothing of dkimctl: a message is good when the record with which it verified was the only one at its
name from before any resolver can remember otherwise until the message is delivered.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

DAY = 86400.0
WINDOW = 14 * DAY
"""Seconds after which a message that was accepted is delivered or returned, relays on its way included."""
NEGATIVE = 3600.0
"""Seconds for which a resolver may remember that a name does not exist."""
_PUBLIC = re.compile(r"p=([A-Za-z0-9+/=]+)")
Texts = tuple[str, ...]


def _is_empty(texts: Texts) -> bool:
    return bool(texts) and not any(_PUBLIC.search(text) for text in texts)


class Signed(NamedTuple):
    """A message that a relay signed, and that verified then."""

    at: float
    relay: str
    domain: str
    selector: str

    @property
    def name(self) -> str:
        """Where its key is."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass
class History:
    """Everything that happened, in its order."""

    served: dict[str, list[tuple[float, Texts]]] = field(default_factory=dict)
    """By name, from when on these texts were served."""
    mails: list[Signed] = field(default_factory=list)
    switches: list[tuple[str, str, Texts]] = field(default_factory=list)
    """Domain and selector of each key that became active, and the relays that lived then and lacked it."""
    problems: list[str] = field(default_factory=list)
    """What was wrong when it happened: unsigned, not verified."""

    def note_served(self, at: float, texts: dict[str, Texts]) -> None:
        """All that the name servers have now."""
        for name in {*texts, *self.served}:
            changes = self.served.setdefault(name, [(0.0, ())])
            if changes[-1][1] != texts.get(name, ()):
                changes.append((at, texts.get(name, ())))

    @property
    def emptied(self) -> list[str]:
        """The names whose record was emptied."""
        return [name for name, changes in self.served.items() if any(_is_empty(texts) for _, texts in changes)]

    def verdict(self) -> list[str]:
        """What broke a promise."""
        return [*self.problems, *self._unverifiable(), *self._used_twice(), *self._too_early(), *self._unused()]

    def _unverifiable(self) -> list[str]:
        windows = {(mail.name, int(mail.at // 600)): mail for mail in self.mails}  # of ten minutes one is enough
        found = []
        for mail in windows.values():
            seen = self._between(mail.name, mail.at - NEGATIVE, mail.at + WINDOW)
            if len(set(seen)) != 1 or len(seen[0]) != 1:
                found.append(f"{mail} does not verify for its delivery window: {seen}")
        return found

    def _between(self, name: str, begin: float, end: float) -> list[Texts]:
        changes = self.served.get(name, [(0.0, ())])
        first = bisect_right(changes, begin, key=lambda change: change[0]) - 1
        return [texts for at, texts in changes[max(first, 0) :] if at <= end]

    def _used_twice(self) -> list[str]:
        found = []
        for name, changes in self.served.items():
            keys = {key for _, texts in changes for text in texts for key in _PUBLIC.findall(re.sub(r'[" ]', "", text))}
            if len(keys) > 1:
                found.append(f"{name} had {len(keys)} keys")
        return found

    def _too_early(self) -> list[str]:
        return [
            f"{selector} of {domain} became active before {', '.join(missing)} held it"
            for domain, selector, missing in self.switches
            if missing
        ]

    def _unused(self) -> list[str]:
        used = {(mail.domain, mail.selector) for mail in self.mails}
        return [f"nothing was ever signed with {one[1]} of {one[0]}" for one in self._active() if one not in used]

    def _active(self) -> list[tuple[str, str]]:
        """The keys that were active; the last one of a domain may have become so at the very end."""
        last = {domain: selector for domain, selector, _ in self.switches}
        return [(domain, selector) for domain, selector, _ in self.switches if last[domain] != selector]
