"""The first phase of a key: made, with its record and metadata.

generate_keys(requests, store) → one Generated, Kept or Failed for each request, as they come
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, UsageError, disk_errors, shell_word
from dkimctl.files import Owner, caller, create_file, make_directory, open_folder, refuse_shared_directory, write_file
from dkimctl.keys.ahead import Make
from dkimctl.keys.knownbad import refuse_known_bad
from dkimctl.keys.metadata import RETIRED, Phase, Tags, new_metadata
from dkimctl.keys.pair import KeyPair, parse_public, read
from dkimctl.keys.store import Key, KeyName, KeyReader, KeyStore, taken
from dkimctl.names import printable
from dkimctl.owners import find_owner
from dkimctl.record.model import record_for
from dkimctl.record.text import genkey_text, quoted_printable


class KeyRequest(NamedTuple):
    """A key to be made, or found."""

    domain: str
    selector: str
    any_selector: bool = False
    """True when nobody asked for this very selector: any living key of the domain then counts as being there."""
    in_slot: bool = False
    """True for a slot of a delegated domain: its selector may have belonged to a key that was purged."""


class KeyStyle(NamedTuple):
    """The properties that all keys of one run share."""

    make: Make
    """Makes the pair, of the algorithm and the size that are wanted."""
    tags: Tags
    absolute_name: bool = False
    """True writes the record's owner name with the domain, as opendkim-genkey's `-a` does."""


class Generated(NamedTuple):
    """A key that was made."""

    domain: str
    selector: str
    path: str
    algorithm: str
    bits: int


class Kept(NamedTuple):
    """A key that was there already, with `--if-missing`."""

    domain: str
    selector: str
    path: str


class Failed(NamedTuple):
    """A key that could not be made, and why."""

    domain: str
    selector: str
    error: DkimctlError


GenerationOutcome = Generated | Kept | Failed


class OwnerChoice(NamedTuple):
    """Whom new keys belong to; `warning` and `hint` when it is not the daemon."""

    owner: Owner
    warning: str = ""
    hint: str = ""


def key_owner(settings: Settings, asked: str | None = None) -> OwnerChoice:
    """Return the owner asked for, else the daemon's user when root runs this and the user exists, else the caller.

    Raises UsageError for an owner that does not exist, or that only root could give a file to.
    """
    if asked is not None:
        owner = find_owner(asked, settings.root)
        if os.geteuid() != 0 and not owner.is_caller:
            raise UsageError(f"only root can give keys to {asked}", hint="run it with sudo, or leave --owner out")
        return OwnerChoice(owner)
    daemon = settings.keys.owner
    later = f"chown -R {shell_word(daemon)} {shell_word(settings.key_directory)}"
    if os.geteuid() != 0:
        return OwnerChoice(
            caller(),
            f"keys will belong to you, not to {daemon}: the daemon cannot read them",
            f"run it with sudo, or later: {later}",
        )
    try:
        return OwnerChoice(find_owner(daemon, settings.root))
    except UsageError as error:
        return OwnerChoice(
            caller(),
            f"{error.message}, so the keys will belong to root and the daemon cannot read them",
            f"install the daemon (apt install opendkim), then: {later}",
        )


def tags_for(*, email_only: bool, testing: bool, strict: bool, note: str, hash_algorithms: str) -> Tags:
    """Return the record's tags from opendkim-genkey's switches `-r`, `-t`, `-S`, `-n` and `-h`. Raises UsageError."""
    if not re.fullmatch(r"sha(1|256)(:sha(1|256))*", hash_algorithms):
        raise UsageError(
            f"not a list of hash algorithms: {printable(hash_algorithms)}", hint="leave it out, or say sha256"
        )
    if not note.isprintable() or len(note) > 200:
        raise UsageError(f"not a note for a record: {printable(note)}", hint="one line of at most 200 characters")
    flags = ":".join(flag for flag, wanted in (("y", testing), ("s", strict)) if wanted)
    return Tags(hash_algorithms, "email" if email_only else "", flags, quoted_printable(note))


def generate_keys(
    requests: Iterable[KeyRequest],
    style: KeyStyle,
    store: KeyStore,
    *,
    now: datetime,
    if_missing: bool = False,
    jobs: int = 1,
) -> Iterator[GenerationOutcome]:
    """Make each key that is wanted; one that fails does not stop the others. `jobs`: how many at a time.

    A key that is there is refused when it is known to be bad, unless it signs already.
    """

    def make(request: KeyRequest) -> GenerationOutcome:
        try:
            there = _existing(store, request) if if_missing else None
            if there is not None:
                if there.phase is not Phase.ACTIVE:
                    refuse_known_bad(store.public(there), there.path)
                store.settle(there)
                return Kept(there.domain, there.selector, there.path)
            return _generate(request, style, store, now)
        except DkimctlError as error:
            return Failed(request.domain, request.selector, error)

    return _in_parallel(make, requests, jobs) if jobs > 1 else map(make, requests)


def _existing(store: KeyReader, request: KeyRequest) -> Key | None:
    for key in reversed(store.keys(request.domain)):
        if key.selector == request.selector:
            return key
        if request.any_selector and key.phase not in RETIRED:
            return key
    return None


def _generate(request: KeyRequest, style: KeyStyle, store: KeyStore, now: datetime) -> Generated:
    there = store.find(KeyName(request.domain, request.selector))
    if there is not None:  # checked before the search for primes too: an RSA-4096 key takes seconds
        store.settle(there)
        raise taken(there.path)
    pair = style.make()
    metadata = new_metadata(pair.algorithm, pair.bits, style.tags, now)
    text = _text(request, pair, style)
    key = store.create(request.domain, request.selector, pair, text, metadata, in_slot=request.in_slot)
    return Generated(key.domain, key.selector, key.path, pair.algorithm, pair.bits)


def generate_flat(
    request: KeyRequest, style: KeyStyle, directory: Path, owner: Owner, *, if_missing: bool = False
) -> GenerationOutcome:
    """`DIR/<selector>.private` and `.txt` and nothing else, as opendkim-genkey writes them.

    Raises Refused when the key exists or others could tamper with the directory, DiskError when it cannot be written.
    """
    refuse_shared_directory(directory, owner)
    make_directory(directory, mode=0o700, owner=owner)
    private = directory / f"{request.selector}.private"
    if os.path.lexists(private):
        with disk_errors(f"look at {directory}"), open_folder(directory) as folder:
            folder.remove_leftovers()
        if if_missing:
            refuse_known_bad(parse_public(read(private), str(private)), str(private))
            return Kept(request.domain, request.selector, str(private))
        raise taken(str(private))
    pair = style.make()
    write_file(private.with_suffix(".txt"), _text(request, pair, style), mode=0o600, owner=owner, durable=False)
    create_file(private, pair.private_pem, mode=0o600, owner=owner)
    return Generated(request.domain, request.selector, str(private), pair.algorithm, pair.bits)


def _text(request: KeyRequest, pair: KeyPair, style: KeyStyle) -> bytes:
    record = record_for(pair.public, pair.algorithm, style.tags)
    return genkey_text(request.selector, request.domain, record, absolute=style.absolute_name)


def _in_parallel(
    make: Callable[[KeyRequest], GenerationOutcome], requests: Iterable[KeyRequest], jobs: int
) -> Iterator[GenerationOutcome]:
    """Results in the order of the requests; only a few more are begun than are running, so memory stays flat.

    Threads are enough: the search for primes lets the others run.
    """
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    running: deque[Future[GenerationOutcome]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for request in requests:
                running.append(pool.submit(make, request))
                if len(running) >= 4 * jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
