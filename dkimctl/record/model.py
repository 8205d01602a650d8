"""A key record as a value: made from a key, or parsed from text and printed as it was."""

from dataclasses import dataclass

from dkimctl.keys.metadata import Tags
from dkimctl.keys.public import PublicKey


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """The tags of a key record in their order, values as written. `parse_record` makes one from text."""

    tags: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """The record as one string: `v=DKIM1; h=sha256; k=rsa; p=…`."""
        return "; ".join(f"{name}={value}" for name, value in self.tags)

    def get(self, name: str, default: str = "") -> str:
        """Return the value of a tag, or the default when it is absent."""
        return dict(self.tags).get(name, default)

    @property
    def is_revoked(self) -> bool:
        """Return whether `p=` is there and empty (RFC 6376 §3.6.1)."""
        return dict(self.tags).get("p") == ""


def record_for(public: PublicKey | None, algorithm: str, tags: Tags) -> KeyRecord:
    """Return the record to publish for a key; without `public`, the record that revokes it (empty `p=`)."""
    fields = [
        ("v", "DKIM1"),
        ("h", tags.hash_algorithms),
        ("k", algorithm),
        ("s", tags.service_types),
        ("t", tags.flags),
        ("n", tags.note),
    ]
    chosen = tuple((name, value) for name, value in fields if value)
    return KeyRecord((*chosen, ("p", public.base64 if public else "")))
