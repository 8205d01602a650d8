"""Key pairs: generated, and loaded from PEM files."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dkimctl.errors import DiskError, Refused
from dkimctl.files import read_file
from dkimctl.keys.public import PublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LEAST_BITS = 1024  # RFC 8301 §3.2: verifiers must not accept less
USUAL_BITS = 2048  # RFC 8301 §3.2: signers should use at least this
MOST_BITS = 4096  # RFC 8301 §3.2: verifiers need not handle more


class Algorithm(StrEnum):
    """The `k=` tag (RFC 6376 §3.6.1, RFC 8463 §4)."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key with its public half. The private part is not in the repr."""

    public: PublicKey
    private_pem: bytes = field(repr=False)
    """PKCS#8 PEM, unencrypted: what opendkim reads."""

    @property
    def algorithm(self) -> Algorithm:
        """Return `rsa` or `ed25519`."""
        return Algorithm(self.public.algorithm)

    @property
    def bits(self) -> int:
        """Return the size of the key in bits."""
        return self.public.bits


def check_size(algorithm: Algorithm, bits: int, *, allow_weak: bool = False) -> None:
    """Raise Refused when a key of this size should not be made (RFC 8301 §3.2)."""
    if algorithm is Algorithm.ED25519:
        return
    if bits < LEAST_BITS:
        raise Refused(
            f"an RSA key of {bits} bits is too weak: verifiers must not accept less than {LEAST_BITS} (RFC 8301)",
            hint=f"leave -b out: {USUAL_BITS} bits is the default",
        )
    if bits < USUAL_BITS and not allow_weak:
        raise Refused(
            f"an RSA key of {bits} bits is weak: {USUAL_BITS} is the least to use (RFC 8301)",
            hint="leave -b out, or add --allow-weak if a long record really cannot be published",
        )
    if bits > MOST_BITS:
        raise Refused(
            f"an RSA key of {bits} bits is too long: verifiers need not handle more than {MOST_BITS} (RFC 8301)",
            hint=f"leave -b out: {USUAL_BITS} bits is the default",
        )


def generate(algorithm: Algorithm, bits: int = USUAL_BITS) -> KeyPair:
    """Return a new key pair. `bits` is for RSA only. Other threads run during the search for primes."""
    if algorithm is Algorithm.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return _pair(Ed25519PrivateKey.generate())
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return new_rsa_pair(generate_private_key(public_exponent=65537, key_size=bits))


def new_rsa_pair(key: "RSAPrivateKey") -> KeyPair:
    """Return the pair of a key that `cryptography` has just generated."""
    from dkimctl.keys.der import pem, private_key_info, subject_public_key_info

    numbers = key.public_key().public_numbers()
    public = PublicKey.of("rsa", key.key_size, subject_public_key_info(numbers.n, numbers.e))
    return KeyPair(public, pem(private_key_info(key)))


def load(path: Path) -> KeyPair:
    """Return the key pair in a private key file: PEM, PKCS#8 or PKCS#1.

    Raises DiskError when it cannot be read, CheckFailed when it holds no usable key.
    """
    return parse_private_key(read(path), str(path))


def parse_public(content: bytes, source: str) -> PublicKey:
    """Return only the public half of a private key, which is parsed and checked. Raises as `parse_private_key`."""
    from dkimctl.keys.usual_rsa import usual_public

    if usual := usual_public(content):
        return usual
    from dkimctl.keys.pem import private_key, public_half

    return public_half(private_key(content, source))


def read(path: Path | str) -> bytes:
    """Return the content of a private key file. Raises DiskError."""
    content = read_file(path)
    if content is None:
        raise no_such_key(path)
    return content


def no_such_key(path: Path | str) -> DiskError:
    """Return the error for a private key file that does not exist."""
    return DiskError(f"no such key file: {path}", hint="list the keys: dkimctl record")


def parse_private_key(content: bytes, source: str) -> KeyPair:
    """Return the key pair in PEM text; errors name `source`. Raises CheckFailed when it is not a usable key."""
    from dkimctl.keys.pem import private_key

    return _pair(private_key(content, source))


def _pair(key: "RSAPrivateKey | Ed25519PrivateKey") -> KeyPair:
    from dkimctl.keys.pem import private_text, public_half

    return KeyPair(public_half(key), private_text(key))
