"""Key pairs for a simulation: a few real ones, which all domains use in turn. Making millions would take weeks."""

from collections import Counter
from dataclasses import dataclass, field

from dkimctl.config.settings import KeyDefaults
from dkimctl.keys.ahead import generator
from dkimctl.keys.metadata import Tags
from dkimctl.keys.pair import Algorithm, KeyPair
from dkimctl.keys.public import PublicKey


@dataclass(slots=True)
class Pool:
    """Enough pairs that no domain has one twice."""

    pairs: tuple[KeyPair, ...]
    tags: Tags
    _given: Counter[str] = field(default_factory=Counter)

    def next(self, domain: str) -> KeyPair:
        """Return the next pair of a domain."""
        self._given[domain] += 1
        return self.pairs[self._given[domain] % len(self.pairs)]

    def last(self, domain: str) -> PublicKey:
        """Return the public half of the one that was given last."""
        return self.pairs[self._given[domain] % len(self.pairs)].public


def make_pool(keys: KeyDefaults, size: int) -> Pool:
    """Make the pairs, of the algorithm and the size that the configuration names."""
    make = generator(Algorithm(keys.algorithm), keys.bits)
    return Pool(tuple(make() for _ in range(size)), Tags())
