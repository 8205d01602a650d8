"""The versions of a zone, one for each refresh."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dkimctl.sandbox.records import Record


@dataclass(frozen=True, slots=True)
class Version:
    """The records at one refresh. `token`: part of the URL of its text."""

    date: datetime
    records: tuple[Record, ...]
    token: str

    @property
    def name(self) -> str:
        """The date in the API's form, which identifies the version."""
        return self.date.isoformat(timespec="seconds")


@dataclass(slots=True)
class History:
    """The versions of one zone, the oldest first."""

    versions: list[Version] = field(default_factory=list)

    def keep(self, records: Iterable[Record]) -> None:
        """Add a version with the current time. Two versions never have the same second."""
        now = datetime.now(UTC).replace(microsecond=0)
        if self.versions:
            now = max(now, self.versions[-1].date + timedelta(seconds=1))
        self.versions.append(Version(now, tuple(records), secrets.token_hex(16)))

    def find(self, name: str) -> Version | None:
        """Return the version of a date in any form of ISO 8601, or None."""
        date = moment(name)
        return next((version for version in self.versions if version.date == date), None)


def moment(text: str) -> datetime | None:
    """Parse a date of the API; return None when it is invalid."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))  # a `+` that a client has not encoded
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
