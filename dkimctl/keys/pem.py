"""Private keys in PEM text, read and written by `cryptography`, which is imported with this module: 30 ms.

A module of its own, because imports in its functions are repeated at each call: with them, and with hints written for
keys that need none, a key without metadata took a third longer to read (242 µs of processor time instead of 183).
"""

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from dkimctl.errors import CheckFailed, shell_word
from dkimctl.keys.public import PublicKey
from dkimctl.keys.usual_rsa import numbers_fit, private_key_der

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


def private_key(content: bytes, source: str) -> RSAPrivateKey | Ed25519PrivateKey:
    """Return the private key in PEM text; errors name `source`. Raises CheckFailed when it is not a usable key."""
    try:
        # the library's own check tests the primes, 50 ms a key; the arithmetic below finds damage in 0.02 ms
        key = _of_usual_form(content) or load_pem_private_key(
            content, password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError as error:
        raise _unusable(source, "is encrypted, and opendkim cannot ask for a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(source, "is not a private key in PEM form") from error
    if isinstance(key, RSAPrivateKey):
        if not _numbers_fit(key):
            raise _unusable(source, "is damaged: its numbers do not belong together")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise _unusable(source, "is a key of an algorithm that DKIM does not use: neither RSA nor Ed25519")


def _of_usual_form(content: bytes) -> "PrivateKeyTypes | None":
    """Return the key in a file that has nothing but one key in PKCS#8; None for any other form.

    Its base64 is decoded here: the library's reader of PEM takes twice as long as this and its reader of DER (21 µs of
    processor time a key instead of 11).
    """
    try:
        der = private_key_der(content)
        return load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True) if der else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _unusable(source: str, why: str) -> CheckFailed:
    form = "a key file starts with -----BEGIN PRIVATE KEY----- and has no passphrase"
    away = f"mv {shell_word(source)} {shell_word(source)}.broken"
    return CheckFailed(f"{source} {why}", hint=f"{form}; restore it from a backup, or move the file away: {away}")


def _numbers_fit(key: RSAPrivateKey) -> bool:
    private = key.private_numbers()
    public = private.public_numbers
    return numbers_fit(public.n, public.e, private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp)


def public_half(key: RSAPrivateKey | Ed25519PrivateKey) -> PublicKey:
    """Return the public half of a private key."""
    if isinstance(key, RSAPrivateKey):
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return PublicKey.of("rsa", key.key_size, der)
    return PublicKey.of("ed25519", 256, key.public_key().public_bytes_raw())


def public_half_of(der: bytes) -> PublicKey | None:
    """Return the public half of a private key (PKCS#8 or PKCS#1, without a passphrase); None for anything else."""
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return public_half(key) if isinstance(key, RSAPrivateKey | Ed25519PrivateKey) else None


def private_text(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    """Return PKCS#8 PEM, unencrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
