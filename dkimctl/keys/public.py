"""Public keys in the form of the `p=` tag of key records."""

from binascii import a2b_base64, b2a_base64
from enum import StrEnum
from typing import NamedTuple


class PublicKey(NamedTuple):
    """A usable public key. Two are equal exactly when they are the same key."""

    algorithm: str
    """`rsa` or `ed25519`: the `k=` tag."""
    bits: int
    base64: str
    """The value of the `p=` tag, on one line: so keys are stored, and compared with thousands of records."""

    @classmethod
    def of(cls, algorithm: str, bits: int, data: bytes) -> "PublicKey":
        """Return the key in bytes that are known to be a valid one."""
        return cls(algorithm, bits, b2a_base64(data, newline=False).decode("ascii"))

    @property
    def data(self) -> bytes:
        """RSA: SubjectPublicKeyInfo in DER (RFC 6376 §3.6.1 with errata 3017); Ed25519: 32 bytes (RFC 8463 §4)."""
        return a2b_base64(self.base64)


class PublicKeyFault(StrEnum):
    """The reason why the octets of a `p=` tag are not a usable key."""

    NOT_A_KEY = "not a public key"
    CUT_OFF = "cut off: the key's own length field says that more must follow"
    PKCS1 = "an RSAPublicKey (PKCS#1), not the SubjectPublicKeyInfo that verifiers expect"
    OTHER_ALGORITHM = "a key of another algorithm than the k= tag says"


def decode_public_key(algorithm: str, data: bytes) -> PublicKey | PublicKeyFault:
    """Return the key in the decoded octets of `p=`, for `k=` rsa or ed25519, or what is wrong with them."""
    if algorithm == "ed25519":
        return PublicKey.of("ed25519", 256, data) if len(data) == 32 else PublicKeyFault.NOT_A_KEY
    if _is_cut_off(data):
        return PublicKeyFault.CUT_OFF
    return _decode_rsa(data)


def _decode_rsa(data: bytes) -> PublicKey | PublicKeyFault:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return PublicKeyFault.NOT_A_KEY
    if not isinstance(key, RSAPublicKey):
        return PublicKeyFault.OTHER_ALGORITHM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    # the library reads PKCS#1 too, but verifiers do not: re-encoding distinguishes them
    canonical = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey.of("rsa", key.key_size, data) if canonical == data else PublicKeyFault.PKCS1


def subject_public_key(data: bytes) -> PublicKey | None:
    """Return the key in an RSAPublicKey (PKCS#1) or in the SubjectPublicKeyInfo of an Ed25519 key; else None."""
    if len(data) == 44 and data.startswith(_EDWARDS_HEADER):
        return PublicKey.of("ed25519", 256, data[-32:])
    if decode_public_key("rsa", data) is not PublicKeyFault.PKCS1:
        return None
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

    other_form = load_der_public_key(data).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = decode_public_key("rsa", other_form)
    return key if isinstance(key, PublicKey) else None


_RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")  # the algorithm of a SubjectPublicKeyInfo: RFC 8017 §A.1
_EDWARDS_HEADER = bytes.fromhex("302a300506032b6570032100")  # precedes the 32 octets: RFC 8410 §4


def _is_cut_off(data: bytes) -> bool:
    """Return True when a DER SEQUENCE announces more octets than there are (X.690 §8.1.3)."""
    if len(data) < 2 or data[0] != 0x30:
        return False
    if len(data) == 32 and _RSA_ENCRYPTION not in data:
        return False  # an Ed25519 key without its k=: one in 256 begins like a SEQUENCE
    first = data[1]
    if first < 0x80:
        return len(data) < 2 + first
    size = first & 0x7F
    return len(data) < 2 + size + int.from_bytes(data[2 : 2 + size], "big")
