"""Private key files as opendkim reads them, and the keys named by the tables."""

import base64
import binascii
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from dkimctl.errors import CheckFailed, DkimctlError
from dkimctl.files import read_regular
from dkimctl.host.datasets import DataSet
from dkimctl.host.version import as_read_here, has_algorithm
from dkimctl.host.world import World
from dkimctl.keys.pair import parse_public
from dkimctl.keys.public import PublicKey
from dkimctl.opendkim.fitness import KeyDemands
from dkimctl.opendkim.tables import KeyEntry, Row, key_entry

_ENCRYPTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
"""PKCS#8, and the older form of OpenSSL. Not one pattern: that took as long as reading the key, a sixth of `doctor`."""
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
        if table and (key := _used(world, table, row)):
            yield key
    single = world.opendkim.find("KeyFile")
    if single and not table:
        yield UsedKey(single.value, f"{single.file} line {single.line}")


def _used(world: World, table: DataSet, row: Row) -> UsedKey | None:
    entry = key_entry(row)
    if entry is None:
        return None
    path, algorithm = as_read_here(world, entry.path)
    return UsedKey(path, table.at(row), entry, algorithm)


def distinct_keys(
    world: World, repeated: Callable[[str, str], None] = lambda *_: None, *, rows: int | None = None
) -> Iterator[UsedKey]:
    """Yield each key once, without those whose path depends on the mail.

    `repeated` is called with the path and d= of each further row that names a file which an earlier one named; `rows`:
    look at no more.
    """
    table = world.data_sets.get("KeyTable")
    if table is None:
        yield from (key for key in used_keys(world) if "%" not in key.path)
        return
    seen: set[int] = set()  # hashes, because a million paths would fill the memory
    for row in islice(table.rows, rows):
        parts = row.value.split(":", 2)
        if len(parts) == 3 and hash(parts[2]) in seen and "" not in parts and not has_algorithm(parts[2]):
            repeated(parts[2], parts[0])  # nearly all of a million rows: only what this takes is made of them
            continue
        key = _used(world, table, row)
        if key is None or key.entry is None:
            continue
        domain = key.entry.domain
        path = key.path if domain == "%" else key.path.replace("%", domain)
        if "%" in path:
            continue
        if hash(path) not in seen:
            seen.add(hash(path))
            yield key._replace(path=path)
        elif path == key.path:
            repeated(path, domain)


def key_demands(world: World) -> KeyDemands:
    """Return the requirements of opendkim's configuration for every key."""
    return KeyDemands.of(world.opendkim.get("SignatureAlgorithm"), world.opendkim.number("MinimumKeyBits", 0))


def read_key(content: bytes, source: str) -> PublicKey | Fault:
    """Return the public half of the key in a file, in any form that opendkim accepts, or why there is none."""
    if not content.strip():
        return Fault.EMPTY
    if any(sign in content for sign in _ENCRYPTED):
        return Fault.ENCRYPTED
    forms = [content]
    if content.lstrip().startswith(_BARE):
        forms = [_as_pem(content, kind) for kind in (b"PRIVATE KEY", b"RSA PRIVATE KEY")]
    for form in forms:
        try:
            return parse_public(form, source)
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
    return None if isinstance(held, Fault) else held


def _as_pem(content: bytes, kind: bytes) -> bytes:
    try:
        body = base64.encodebytes(base64.b64decode(b"".join(content.split())))
    except binascii.Error:
        return b""
    return b"-----BEGIN " + kind + b"-----\n" + body + b"-----END " + kind + b"-----\n"
