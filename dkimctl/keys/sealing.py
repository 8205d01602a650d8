"""Private keys sealed for a database: AES-256-GCM (NIST SP 800-38D), bound to the row they belong to.

A sealed key is a version byte, a random nonce of 12 bytes, and the ciphertext with its tag. The associated data are the
version, domain, selector and identity of the key, each with its length: in another row it does not open. One fleet key
seals far fewer keys than the 2^32 up to which random nonces are safe.
"""

from functools import lru_cache
from os import urandom
from typing import TYPE_CHECKING

from dkimctl.errors import CheckFailed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SECRET_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12


def new_secret() -> bytes:
    """Return a new fleet key."""
    return urandom(SECRET_BYTES)


def seal(secret: bytes, content: bytes, *, domain: str, selector: str, identity: str) -> bytes:
    """Return a private key file's content, sealed under a fleet key for the row of this key."""
    nonce = urandom(_NONCE_BYTES)
    return _VERSION + nonce + _cipher(secret).encrypt(nonce, content, _row(domain, selector, identity))


def unseal(secret: bytes, sealed: bytes, *, domain: str, selector: str, identity: str) -> bytes:
    """Return the content of a private key file.

    Raises CheckFailed when it was sealed for another row or under another fleet key, was changed, or is of a newer
    version.
    """
    from cryptography.exceptions import InvalidTag

    if sealed[:1] != _VERSION:
        raise CheckFailed(
            f"the sealed private key {selector} of {domain} has the version {sealed[:1].hex() or 'none'}",
            hint="upgrade dkimctl, or restore that row of the database from a backup",
        )
    nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return _cipher(secret).decrypt(nonce, ciphertext, _row(domain, selector, identity))
    except (InvalidTag, ValueError):  # ValueError: cut off within the nonce
        raise CheckFailed(
            f"the sealed private key {selector} of {domain} does not open: it was moved here from another row, "
            "changed, or sealed under another fleet key",
            hint="restore that row of the database from a backup, or rotate to a new key: dkimctl rotate --now",
        ) from None


@lru_cache(maxsize=2)  # a fleet has two keys while one is turned over, and may have a million private keys
def _cipher(secret: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)


def _row(domain: str, selector: str, identity: str) -> bytes:
    parts = [_VERSION, *(part.encode() for part in (domain, selector, identity))]
    return b"".join(len(part).to_bytes(2) + part for part in parts)
