"""The names of very many keys: a table may have a million rows, and `status` and `rotate` ask who signs of each."""

from collections.abc import Iterable, Iterator, Set

_BUCKETS = 1 << 16


class PackedNames(Set[tuple[str, str]]):
    """Pairs of domain and selector, in a tenth of the memory of a set of pairs, and looked up about as fast.

    Each bucket is a text with a line for each pair. Neither part may have a NUL or a line feed in it.
    """

    def __init__(self, names: Iterable[tuple[str, str]] = ()) -> None:
        self._buckets: dict[int, str] = {}
        self._length = 0
        for domain, selector in names:
            bucket, line = hash(domain) % _BUCKETS, f"{domain}\0{selector}\n"
            before = self._buckets.get(bucket, "\n")
            if f"\n{line}" not in before:
                self._buckets[bucket] = before + line
                self._length += 1

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, tuple):
            return False
        domain, selector = name
        bucket = self._buckets.get(hash(domain) % _BUCKETS)
        return bucket is not None and f"\n{domain}\0{selector}\n" in bucket

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for bucket in self._buckets.values():
            for line in bucket[1:-1].split("\n"):
                domain, _, selector = line.partition("\0")
                yield domain, selector

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"PackedNames({sorted(self)})"
