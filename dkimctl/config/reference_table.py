"""One table of dkimctl.toml, as its reference describes it."""

from typing import NamedTuple


class KeyReference(NamedTuple):
    """One key of the configuration file."""

    name: str
    default: str
    """As TOML, with an example's value where there is no default."""
    meaning: str
    """A sentence or two, for people."""


class TableReference(NamedTuple):
    """One table of the configuration file."""

    header: str
    """As in the file, without brackets; empty for the top level."""
    meaning: str
    keys: tuple[KeyReference, ...]
