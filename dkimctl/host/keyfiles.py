"""Private key files as opendkim reads them, and the keys named by the tables."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from dkimctl.errors import CheckFailed, DkimctlError
from dkimctl.files import read_regular
from dkimctl.host.version import as_read_here
from dkimctl.host.world import World
from dkimctl.keys.pair import KeyPair, parse_private_key
from dkimctl.keys.public import PublicKey
from dkimctl.opendkim.fitness import KeyDemands
from dkimctl.opendkim.tables import KeyEntry, key_entry

ENCRYPTED = re.compile(rb"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")
_BARE = b"MII"
"""Beginning of a DER key in base64: opendkim accepts such a file as well (`dkim_sign`)."""


class Fault(StrEnum):
    """Reason why the daemon cannot sign with a file."""

    ENCRYPTED = "it is encrypted"
    EMPTY = "it is empty"
    NOT_A_KEY = "it is not a private key in PEM form"


class UsedKey(NamedTuple):
    """A key file, and the place in the configuration that names it."""

    path: str
    where: str
    """`/etc/opendkim/KeyTable line 3`."""
    entry: KeyEntry | None = None
    """None for KeyFile."""
    algorithm: str = ""
    """The key's own algorithm, where the KeyTable names one that the daemon knows; else SignatureAlgorithm applies."""


def used_keys(world: World) -> Iterator[UsedKey]:
    """Yield every key in opendkim's configuration, with `%` not replaced."""
    table = world.data_sets.get("KeyTable")
    for row in table.rows if table else ():
        entry = key_entry(row)
        if table and entry:
            path, algorithm = as_read_here(world, entry.path)
            yield UsedKey(path, table.at(row), entry, algorithm)
    single = world.opendkim.find("KeyFile")
    if single and not table:
        yield UsedKey(single.value, f"{single.file} line {single.line}")


def distinct_keys(
    world: World, repeated: Callable[[UsedKey], None] = lambda _: None, *, rows: int | None = None
) -> Iterator[UsedKey]:
    """Yield each key once, without those whose path depends on the mail.

    `repeated` is called with each further row that names a file which an earlier one named; `rows`: look at no more.
    """
    seen: set[int] = set()  # hashes, because a million paths would fill the memory
    for key in islice(used_keys(world), rows):
        path = key.path
        if "%" in path and key.entry and key.entry.domain != "%":
            path = path.replace("%", key.entry.domain)
        if "%" in path:
            continue
        if hash(path) not in seen:
            seen.add(hash(path))
            yield key._replace(path=path)
        elif path == key.path:
            repeated(key)


def key_demands(world: World) -> KeyDemands:
    """Return the requirements of opendkim's configuration for every key."""
    return KeyDemands.of(world.opendkim.get("SignatureAlgorithm"), world.opendkim.number("MinimumKeyBits", 0))


def read_key(content: bytes, source: str) -> KeyPair | Fault:
    """Return the key in a file's content, in any form that opendkim accepts, or why there is none."""
    if not content.strip():
        return Fault.EMPTY
    if ENCRYPTED.search(content):
        return Fault.ENCRYPTED
    forms = [content]
    if content.lstrip().startswith(_BARE):
        forms = [_as_pem(content, kind) for kind in (b"PRIVATE KEY", b"RSA PRIVATE KEY")]
    for form in forms:
        try:
            return parse_private_key(form, source)
        except CheckFailed:
            continue
    return Fault.NOT_A_KEY


def public_key(world: World, key: UsedKey) -> PublicKey | None:
    """Return the public half of a key file, or None when it cannot be read or holds none, which `doctor` reports."""
    try:
        content = read_regular(world.at(key.path)) if key.path.startswith("/") else None
    except DkimctlError:
        return None
    held = read_key(content, key.path) if content else Fault.EMPTY
    return None if isinstance(held, Fault) else held.public


def _as_pem(content: bytes, kind: bytes) -> bytes:
    try:
        body = base64.encodebytes(base64.b64decode(b"".join(content.split())))
    except binascii.Error:
        return b""
    return b"-----BEGIN " + kind + b"-----\n" + body + b"-----END " + kind + b"-----\n"
