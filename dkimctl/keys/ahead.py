"""The search for a key, begun while the program still loads what comes after it."""

from collections.abc import Callable

from dkimctl.keys.pair import USUAL_BITS, Algorithm, KeyPair, generate

Make = Callable[[], KeyPair]


def generator(algorithm: Algorithm, bits: int, *, ahead: bool = False) -> Make:
    """A function that makes a key pair at each call, from any thread.

    `ahead`: the first pair is searched for from now on, in a thread of its own. Not where it takes long: a run that
    fails meanwhile ends only after the search.
    """

    def make() -> KeyPair:
        return generate(algorithm, bits)

    return _ahead(make) if ahead and algorithm is Algorithm.RSA and bits <= USUAL_BITS else make


def _ahead(make: Make) -> Make:
    from threading import Thread

    import cryptography.hazmat.primitives.asymmetric.rsa  # noqa: F401  two threads that import wait for each other

    found: list[KeyPair] = []
    unclaimed = [found]
    search = Thread(target=lambda: found.append(make()), name="dkimctl-search")
    search.start()

    def first_or_next() -> KeyPair:
        try:
            first = unclaimed.pop()
        except IndexError:
            return make()
        search.join()
        return first[0] if first else make()

    return first_or_next
