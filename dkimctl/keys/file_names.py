"""The names of files in a key directory: which are keys, and which can be a domain or a selector."""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dkimctl.names import printable

PRIVATE = ".private"
NOTES = ".json"
DOMAIN_NOTES = ".lifecycle.json"
"""What is noted of a domain as a whole; the dot hides it from version 0.1."""
_NAME = re.compile(r"\w[\w.-]*")
"""What is taken for a domain or a selector. Who names the files is not trusted: a line end, a quote or a bracket would
change the zone file, or the table, that the name gets into."""
_MOST_NAMED = 3
_FEW = 16  # files of a domain whose stems are remembered
_named: set[tuple[str, str]] = set()  # directories and names that were passed over and reported


class Stems(NamedTuple):
    """The names of files in a directory, without their endings."""

    keys: tuple[str, ...]
    """Of private keys, sorted."""
    noted: frozenset[str]
    """Of metadata."""
    alone: tuple[str, ...]
    """Those of metadata without a private key."""
    is_usual: bool
    """True when all keys can be selectors, and no metadata are alone."""


def stems_of(names: Sequence[str]) -> Stems:
    """Return the stems of the keys and of the metadata among the names of files."""
    return _remembered(tuple(names)) if len(names) <= _FEW else _stems(names)


def _stems(names: Sequence[str]) -> Stems:
    keys = tuple(sorted([name[: -len(PRIVATE)] for name in names if name.endswith(PRIVATE) and name[0] != "."]))
    noted = frozenset([name[: -len(NOTES)] for name in names if name.endswith(NOTES)])
    alone = tuple(stem for stem in noted.difference(keys) if can_be_name(stem))
    return Stems(keys, noted, alone, is_usual=not alone and all(map(can_be_name, keys)))


_remembered = lru_cache(1024)(_stems)  # most domains have keys with the same selectors


def can_be_name(name: str) -> bool:
    """Return whether this can be a domain or a selector."""
    return _NAME.fullmatch(name) is not None


def has_key(names: Iterable[str]) -> bool:
    """Return whether a private key with the name of a selector is among these files."""
    return any(name.endswith(PRIVATE) and can_be_name(name) for name in names)


def plain_names(names: Sequence[str], place: Path, counts: Callable[[str], bool] | None = None) -> list[str]:
    """Return those that can be domains or selectors; the others below `place` are named once, where they count."""
    plain = list(filter(_NAME.fullmatch, names))
    if len(plain) < len(names):
        _name_others([name for name in names if not can_be_name(name)], place, counts)
    return plain


def _name_others(odd: Sequence[str], place: Path, counts: Callable[[str], bool] | None) -> None:
    for name in islice(odd, _MOST_NAMED):
        if (told := (str(place), name)) not in _named and (counts is None or counts(name)):
            _named.add(told)
            import logging  # only here: it takes longer to load than all the rest

            message = "below %s, %s is no name of a domain or a selector: passed over"
            logging.getLogger(__name__).warning(message, place, printable(name, 80))
