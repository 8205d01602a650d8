"""Long lists of small values, such as the status of each of a million keys, in a tenth of the memory."""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeVar, overload

T = TypeVar("T")
_TOGETHER = 1000


class Rows(Sequence[T]):
    """Values of one dataclass whose fields are texts, numbers and these enumerations, in the order of their adding.

    A thousand at a time are packed. That takes less time than the memory for all of them, and most commands look at
    the list once, or only at its end.
    """

    def __init__(self, kind: type[T], **enumerations: type[StrEnum]) -> None:
        self._kind: Callable[..., T] = kind
        self._enumerations = enumerations
        self._values: Callable[[T], tuple[Any, ...]] = attrgetter(*(one.name for one in fields(kind)))  # type: ignore[arg-type]
        self._packed: list[bytes] = []
        self._last: list[tuple[Any, ...]] = []

    def add(self, value: T) -> None:
        """Add a value at the end."""
        self._last.append(self._values(value))
        if len(self._last) == _TOGETHER:
            self._packed.append(zlib.compress(json.dumps(self._last).encode(), 1))
            self._last = []

    def __len__(self) -> int:
        return len(self._packed) * _TOGETHER + len(self._last)

    def __iter__(self) -> Iterator[T]:
        for block in range(len(self._packed) + 1):
            for values in self._unpacked(block):
                yield self._value(values)

    def __repr__(self) -> str:
        shown = [*map(repr, self[:3]), *(["…"] if len(self) > 3 else [])]
        return f"Rows({', '.join(shown)})"

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return tuple(map(self._at, places))
        return self._at(places)

    def _at(self, place: int) -> T:
        block, place = divmod(place, _TOGETHER)
        return self._value(self._unpacked(block)[place])

    def _value(self, values: Iterable[Any]) -> T:
        made = self._kind(*values)
        for name, enumeration in self._enumerations.items():
            if (text := getattr(made, name)) is not None:
                setattr(made, name, enumeration(text))
        return made

    def _unpacked(self, block: int) -> list[tuple[Any, ...]]:
        if block == len(self._packed):
            return self._last
        found: list[tuple[Any, ...]] = json.loads(zlib.decompress(self._packed[block]))
        return found
