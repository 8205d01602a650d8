"""The search for an RSA key, begun in a thread while the program still imports the rest.

Between the beginning of the search and the moment at which the key is wanted the first thread has 39 to 50 ms of
processor time of its own to spend (measured on a busy machine, where the whole process takes 240): by so much the key
is there earlier where a second core is free. Where none is, nothing is lost.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from dkimctl.keys.pair import Algorithm, KeyPair

Make = Callable[[], "KeyPair"]


class Ahead:
    """One RSA key of the default size, generated in a thread of its own from now on.

    A run that fails ends only after the search, so larger keys are not generated in this way.
    """

    bits = 2048  # the configuration's default

    def __init__(self) -> None:
        from threading import Thread

        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

        found: list[RSAPrivateKey] = []
        self._unclaimed = [found]
        self._search = Thread(target=lambda: found.append(generate_private_key(65537, self.bits)))
        self._search.start()

    def key(self) -> "RSAPrivateKey | None":
        """Return the key at the first call, from any thread; None at all others."""
        try:
            found = self._unclaimed.pop()
        except IndexError:
            return None
        self._search.join()
        return found[0] if found else None


def generator(algorithm: "Algorithm", bits: int, ahead: Ahead | None = None) -> Make:
    """Return a function that makes a key pair at each call, from any thread; the first may be that of `ahead`."""
    from dkimctl.keys.pair import generate, new_rsa_pair

    def make() -> "KeyPair":
        key = ahead.key() if ahead and (algorithm, bits) == ("rsa", ahead.bits) else None
        return new_rsa_pair(key) if key else generate(algorithm, bits)

    return make
