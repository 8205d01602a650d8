"""The digest of a plan: `--plan-digest` applies exactly the plan that was reviewed, or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from dkimctl.providers.base import Change, Create, Delete, ProviderRecord, Replace

_DIGITS = 32  # hexadecimal: 128 bits


def fingerprint(provider: str, zone: str, name: str, changes: Sequence[Change]) -> bytes:
    """Return 32 bytes that identify the changes at one name.

    Record ids are left out: an edit of the whole zone gives every record a new id without changing it.
    """
    parts = [provider, zone, name]
    for change in changes:
        match change:
            case Create(record):
                parts += ["create", *_content(record)]
            case Replace(before, after):
                parts += ["replace", *_content(before), *_content(after)]
            case Delete(record):
                parts += ["delete", *_content(record)]
    return sha256("\0".join(parts).encode()).digest()


def _content(record: ProviderRecord) -> tuple[str, str, str]:
    return record.field_type, str(record.ttl), record.text


@dataclass(slots=True)
class PlanDigest:
    """The digest of the changes added so far, in any order. Names without changes do not count."""

    _fingerprints: set[bytes] = field(default_factory=set)

    def add(self, provider: str, zone: str, name: str, changes: Sequence[Change]) -> None:
        """Add the changes at one more name."""
        if changes:
            self._fingerprints.add(fingerprint(provider, zone, name, changes))

    def __bool__(self) -> bool:
        """Return whether the plan changes anything."""
        return bool(self._fingerprints)

    def __contains__(self, changes: object) -> bool:
        """Return whether a fingerprint is in this plan."""
        return changes in self._fingerprints

    @property
    def text(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return sha256(b"".join(sorted(self._fingerprints))).hexdigest()[:_DIGITS]
