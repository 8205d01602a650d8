"""The public half of an RSA key file in the form that is written here, in half of the time that the library takes.

The file is PKCS#8 (RFC 5208 §5) around an RSAPrivateKey (RFC 8017 §A.1.2) of two primes and the usual exponent, in DER.
Anything else is None, damage included: then the library reads it, and what is wrong with it is said in one place.
"""

from binascii import Error, a2b_base64
from functools import lru_cache

from dkimctl.keys.der import BIT_STRING, OCTET_STRING, RSA, SEQUENCE, head
from dkimctl.keys.public import PublicKey

PEM_END = b"\n-----END PRIVATE KEY-----\n"
"""How the file ends."""
_BEGIN = b"-----BEGIN PRIVATE KEY-----\n"
_VERSION = b"\2\1\0"
_NUMBERS = 8
_SMALL_FACTORS = 2329089562800  # the least common multiple of 1 to 30


def quick_public(pem: bytes) -> PublicKey | None:
    """The public key, if every octet is as expected and the numbers belong together."""
    if not (pem.startswith(_BEGIN) and pem.endswith(PEM_END)) or b"\n\n" in pem:  # the library takes no empty line
        return None
    try:
        der = a2b_base64(pem[len(_BEGIN) : -len(PEM_END)].replace(b"\n", b""), strict_mode=True)
    except Error:
        return None
    before = _before(len(der))
    if not der.startswith(before):
        return None
    numbers, ends = _integers(der, len(before))
    if len(numbers) != _NUMBERS or ends[-1] != len(der) or not _fit(*numbers):
        return None
    public = der[len(before) : ends[1]]
    return PublicKey("rsa", numbers[0].bit_length(), _before_public(len(public)) + public)


def _integers(der: bytes, at: int) -> tuple[list[int], list[int]]:
    """The INTEGERs from `at` on, as far as they are DER and not negative (X.690 §8.3, §10.1), and where each ends."""
    numbers, ends = [], []
    total = len(der)
    while at + 4 <= total and der[at] == 2:
        size, first = der[at + 1], at + 2
        if size == 0x82:
            size, first = der[at + 2] << 8 | der[at + 3], at + 4
        elif size == 0x81:
            size, first = der[at + 2], at + 3
        end = first + size
        number = int.from_bytes(der[first:end], "big")
        if size != number.bit_length() // 8 + 1 or first - at != 2 + (size > 127) + (size > 255):
            break
        numbers.append(number)
        ends.append(end)
        at = end
    return numbers, ends


def _fit(n: int, e: int, d: int, p: int, q: int, dp: int, dq: int, inverse: int) -> bool:
    """RFC 8017 §3.2, by divisions with short quotients.

    e·d ≡ 1 modulo the least common multiple of p-1 and q-1, which is their product divided by a small number.
    """
    return (
        e == 65537
        and 1 < p != q > 1
        and p * q == n
        and e * dp % (p - 1) == 1
        and e * dq % (q - 1) == 1
        and (e * d - 1) * _SMALL_FACTORS % (n - p - q + 1) == 0
        and inverse * q % p == 1
    )


@lru_cache
def _before(size: int) -> bytes:
    """What precedes n in a file of so many octets; for sizes that no key of ours has, what no file begins with."""
    if not 300 < size < 65536:
        return b"-"
    outer = head(SEQUENCE, size - 4) + _VERSION + RSA
    return outer + head(OCTET_STRING, size - 26) + head(SEQUENCE, size - 30) + _VERSION


@lru_cache
def _before_public(size: int) -> bytes:
    """What precedes n and e, which take so many octets, in a SubjectPublicKeyInfo (RFC 5280 §4.1)."""
    key = head(SEQUENCE, size)
    bits = head(BIT_STRING, 1 + len(key) + size) + b"\0" + key
    return head(SEQUENCE, len(RSA) + len(bits) + size) + RSA + bits
