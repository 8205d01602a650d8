"""The names of files in a key directory: which are keys, and which can be a domain or a selector."""

import re
from collections.abc import Callable, Iterable, Sequence
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
_named: set[tuple[str, str]] = set()  # directories and names that were passed over, and somebody was told


class Stems(NamedTuple):
    """The names of files in a directory, without their endings."""

    keys: list[str]
    """Of private keys."""
    noted: set[str]
    """Of metadata."""

    @property
    def alone(self) -> list[str]:
        """Return those of metadata beside which there is no private key."""
        return [stem for stem in self.noted.difference(self.keys) if can_be_name(stem)]


def stems_of(names: Iterable[str]) -> Stems:
    """Return the stems of the keys and of the metadata among the names of files."""
    keys = [name[: -len(PRIVATE)] for name in names if name.endswith(PRIVATE) and name[0] != "."]
    return Stems(keys, {name[: -len(NOTES)] for name in names if name.endswith(NOTES)})


def can_be_name(name: str) -> bool:
    """Return whether this can be a domain or a selector."""
    return _NAME.fullmatch(name) is not None


def has_key(names: Iterable[str]) -> bool:
    """Return whether a private key with the name of a selector is among these files."""
    return any(name.endswith(PRIVATE) and can_be_name(name) for name in names)


def plain_names(names: list[str], place: Path, counts: Callable[[str], bool] | None = None) -> list[str]:
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
