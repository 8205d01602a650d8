"""What a relay is to hold and to sign with, as a value; checked whole before the first byte is written."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dkimctl.errors import DkimctlError, Refused
from dkimctl.keys.identity import identity_of
from dkimctl.keys.metadata import RETIRED, Metadata
from dkimctl.keys.pair import parse_public
from dkimctl.keys.public import PublicKey
from dkimctl.names import printable

_MOST_NAMED = 5
_NAME = re.compile(r"\w[\w.-]{0,252}", re.ASCII)
"""As `keys.file_names` takes names of files for domains and selectors."""


class FleetKey(NamedTuple):
    """One key as a relay is to hold it. Its phase says whether the domain signs with it."""

    domain: str
    stem: str
    """The start of its file names: the selector, and for a later key of a slot more."""
    selector: str
    identity: str
    metadata: Metadata
    record: bytes
    """The key record in zone-file form."""
    sealed: bytes | None
    """The private key, sealed; None for one that no relay is to have any more."""
    fleet_key: int
    """The number of the fleet key that sealed it."""
    generation: int
    """The fleet's generation when it last changed."""

    @property
    def shown(self) -> str:
        """Return the key in words, for messages."""
        return printable(f"{self.selector} of {self.domain}", 200)


OpenKey = Callable[[FleetKey], bytes]
"""Returns the private key (PEM) of a key that has one. Raises Refused when its seal does not open."""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """All that changed between two generations."""

    fleet: str
    """The identity of the fleet."""
    since: int
    generation: int
    keys: Iterable[FleetKey]
    """By domain, sorted. Gives the same keys each time it is iterated: a snapshot, perhaps too large for memory."""


class Checked(NamedTuple):
    """What a check of a change set counted."""

    keys: int
    private_keys: int


def check(
    changes: ChangeSet, open_key: OpenKey, conflict: Callable[[FleetKey, bytes], str] = lambda _key, _content: ""
) -> Checked:
    """Check every key of a change set; nothing is written. Raises Refused with the first problems.

    `conflict`: returns why a private key cannot be put where it belongs on this relay, or nothing.
    """
    if changes.generation < changes.since:
        raise Refused(f"the changes lead from generation {changes.since} back to {changes.generation}", hint=_NO_TRUST)
    problems: list[str] = []
    seen = private = 0
    before = ("", "")
    for key in changes.keys:
        seen, private = seen + 1, private + (key.sealed is not None)
        if (key.domain, key.stem) <= before:
            problems.append(f"{key.shown} comes twice, or out of order")
        before = (key.domain, key.stem)
        problems += (f"{key.shown}: {problem}" for problem in _problems(key, changes, open_key, conflict))
        if len(problems) >= _MOST_NAMED:
            break
    if problems:
        raise Refused(f"nothing was changed: {'; '.join(problems[:_MOST_NAMED])}", hint=_NO_TRUST)
    return Checked(seen, private)


_NO_TRUST = "the database was damaged or changed by another program: see dkimctl fleet status, or restore a backup"


def _problems(
    key: FleetKey, changes: ChangeSet, open_key: OpenKey, conflict: Callable[[FleetKey, bytes], str]
) -> Iterator[str]:
    if not changes.since < key.generation <= changes.generation:
        yield f"its generation {key.generation} is not between {changes.since} and {changes.generation}"
    try:
        content = open_key(key) if key.sealed is not None else None
        problem = problem_of(key, content)
    except DkimctlError as error:
        problem, content = error.message, None
    if content is not None and not problem:
        problem = conflict(key, content)
    if problem:
        yield problem


def problem_of(key: FleetKey, content: bytes | None) -> str:
    """Return why a key is not what its row says; empty when it is. `content`: its private key, None where it has none.

    Raises CheckFailed for what is no private key.
    """
    if not _has_valid_names(key):
        return "its names are not valid"
    if content is None:
        return "" if key.metadata.phase in RETIRED else f"it is {key.metadata.phase}, and its private key is missing"
    public = public_in(content, key).base64
    if identity_of(public) != key.identity or key.metadata.public not in ("", public):
        return "the private key is not the one that its row names"
    return ""


def public_in(content: bytes, key: FleetKey) -> PublicKey:
    """Return the public half of a private key: what was noted of exactly this content, else it is parsed.

    The seal binds the content to the key's identity, and that is a digest of the public half: so what was noted needs
    no parsing, which takes ten times as long (77 µs of processor time). Raises CheckFailed for what is no private key.
    """
    return key.metadata.public_of(content) or parse_public(content, key.shown)


def _has_valid_names(key: FleetKey) -> bool:
    """Return True when file names and table lines can be made of the key's names. What a database says is untrusted."""
    is_stem = key.stem == key.selector or key.stem.startswith(f"{key.selector}-")
    return is_stem and all(_NAME.fullmatch(name) for name in (key.domain, key.selector, key.stem))
