"""The identity of a key: a digest of its public half. A selector may be used by several keys in turn."""

from hashlib import sha256

_DIGITS = 16
_IN_FILE_NAMES = 8
"""The first digits suffice to distinguish the few keys of one slot."""


def identity_of(public: str) -> str:
    """Return the identity of the key with this public half, as in `p=`: 16 hexadecimal digits."""
    return sha256(public.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def slot_stem(selector: str, public: str) -> str:
    """Return the start of the file names of a slot's next key, which the keys that it had before do not have."""
    return f"{selector}-{identity_of(public)[:_IN_FILE_NAMES]}"
