"""Can opendkim sign with a key, and will anybody accept what it signs?"""

from dataclasses import dataclass
from enum import StrEnum

from dkimctl.keys.pair import LEAST_BITS, Algorithm

DEFAULT_ALGORITHM = "rsa-sha256"


class Unfit(StrEnum):
    """The reason for which a key makes no valid signature."""

    OTHER_ALGORITHM = "other algorithm"
    """The daemon cannot sign: mail is deferred."""
    INVALID_SIGNATURE = "invalid signature"
    """The daemon signs with an RSA key as if it were an Ed25519 one, and the signature never verifies."""
    REFUSED_SIZE = "refused size"
    """Below MinimumKeyBits: mail is rejected (550)."""
    WEAK = "weak"
    """The daemon signs, but verifiers must not accept a signature with so small a key (RFC 8301 §3.2)."""


@dataclass(frozen=True, slots=True)
class KeyDemands:
    """The demands of the configuration on every key."""

    algorithm: str
    """SignatureAlgorithm in lower case."""
    minimum_bits: int
    """Of an RSA key: what the daemon itself takes for MinimumKeyBits."""

    @classmethod
    def of(cls, algorithm: str, minimum_bits: int) -> "KeyDemands":
        """Return the demands of these settings; an empty algorithm and 0 bits stand for the daemon's defaults."""
        # measured with 2.11: 0 is the default, and any other number counts, even one below what verifiers accept
        return cls((algorithm or DEFAULT_ALGORITHM).lower(), minimum_bits if minimum_bits > 0 else LEAST_BITS)

    @property
    def accepted_bits(self) -> int:
        """The least size with which the daemon signs and verifiers accept the signature."""
        return max(self.minimum_bits, LEAST_BITS)


def unfit(algorithm: str, bits: int, demands: KeyDemands, *, own_algorithm: str = "") -> Unfit | None:
    """Return why no valid signature comes of a key, or None when one does.

    `own_algorithm`: that of the key's KeyTable row, where it names one; it counts instead of SignatureAlgorithm.
    """
    wanted = own_algorithm or demands.algorithm
    if algorithm != Algorithm.RSA:
        return Unfit.OTHER_ALGORITHM if wanted.startswith("rsa") else None
    if wanted.startswith("ed25519"):
        return Unfit.INVALID_SIGNATURE
    if bits < demands.minimum_bits:
        return Unfit.REFUSED_SIZE
    return Unfit.WEAK if bits < LEAST_BITS else None
