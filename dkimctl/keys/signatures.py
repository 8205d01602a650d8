"""Verification of digital signatures with a public key."""

from typing import Any

from dkimctl.keys.public import PublicKey


def signed_digest(key: PublicKey, signature: bytes, hash_name: str) -> bytes | None:
    """Return the digest that an RSA signature covers (RFC 8017 §8.2.2), or None when another key made it.

    `hash_name`: sha256 or sha1.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    try:
        digest: bytes = _rsa(key).recover_data_from_signature(signature, PKCS1v15(), _hash(hash_name))
    except (InvalidSignature, ValueError):
        return None
    return digest


def fits(key: PublicKey, signature: bytes, digest: bytes, hash_name: str) -> bool:
    """Return True when the signature covers this digest; Ed25519 signs the digest itself (RFC 8463 §3)."""
    if key.algorithm == "rsa":
        return signed_digest(key, signature, hash_name) == digest
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.data).verify(signature, digest)
    except InvalidSignature:
        return False
    return True


def _rsa(key: PublicKey) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(key.data)


def _hash(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA1() if name == "sha1" else hashes.SHA256()  # noqa: S303  for old mail, which `inspect` explains
