"""The whole wanted configuration of this host, as one value."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType

from dkimctl.config.settings import SIGNERS, Settings
from dkimctl.files import Version, read_file, version_at
from dkimctl.keys.filtered import OfDomains
from dkimctl.keys.store import KeyReader
from dkimctl.signers.base import Signer, Tables
from dkimctl.signers.key_copies import moved_copies, revoked_copies
from dkimctl.signers.postfix import postfix_settings
from dkimctl.signers.registry import all_signers, signer_of
from dkimctl.signers.rendered import Notice, RenderedFile, Rendering, Selection, fixed
from dkimctl.signers.selection import select_keys


def desired(settings: Settings, store: KeyReader, *, allow_unproven: bool = True, or_none: bool = False) -> Rendering:
    """Return the rendering for every managed domain. Reads the keys and what is installed, and writes nothing.

    Without `allow_unproven` it cannot be installed with a new key that DNS was not seen to serve. `or_none`: no domain
    needs a key.

    Raises UsageError when otherwise none has one, or a setting cannot be used, DiskError when something cannot be
    read, Refused when a table's managed block is broken, Unavailable when postconf fails.
    """
    daemon = signer_of(settings)
    everyone = all_signers()
    selection = select_keys(
        settings,
        store,
        both=daemon.signs_twice,
        installed=cache(lambda: daemon.installed(settings)),
        allow_unproven=allow_unproven,
        or_none=or_none,
    )
    files, notices = daemon.files(settings, selection)
    retired = (socket for other in everyone if other is not daemon for socket in other.retired_sockets(settings))
    main_cf = version_at(settings.at(settings.paths.postfix_directory) / "main.cf")
    postfix, postfix_notices = postfix_settings(settings, (*daemon.sockets(settings), *retired))
    transition = (notice for each in everyone for notice in each.transition_notices(settings, selection))
    return Rendering(
        signer=daemon.name,
        keys=selection.keys,
        files=files,
        directories=daemon.directories(settings),
        postfix=MappingProxyType(postfix),
        notices=(*selection.notices, *transition, *notices, *_no_signature_ttl(settings), *postfix_notices),
        main_cf=main_cf,
        leftovers=tuple(dict.fromkeys(_leftovers(settings, store, daemon, selection))),
        unread=selection.unread,
    )


def desired_for(
    domains: frozenset[str],
    settings: Settings,
    store: KeyReader,
    tables: Tables,
    installed: Mapping[str, Version | None],
) -> Rendering:
    """Return the rendering with other rows for these domains, in tables that were rendered before.

    `installed`: the versions of all files of that rendering. The result is that of `desired` where nothing but these
    domains changed since, and where all keys are of one algorithm, before and now. Raises as `desired`.
    """
    daemon = signer_of(settings)
    selection = select_keys(
        settings,
        OfDomains(store, domains),
        both=daemon.signs_twice,
        installed=lambda: tables.installed(domains),
        or_none=True,
    )
    changed = tables.files(selection, domains)
    return Rendering(
        signer=daemon.name,
        keys=selection.keys,
        files=(*changed, *_as_installed(settings, installed, {file.path for file in changed})),
        directories=daemon.directories(settings),
        postfix=MappingProxyType({}),
        notices=(),
        leftovers=tuple(dict.fromkeys(_leftovers(settings, store, daemon, selection))),
        unread=selection.unread,
    )


def _as_installed(
    settings: Settings, installed: Mapping[str, Version | None], changed: set[str]
) -> Iterator[RenderedFile]:
    """The files besides those that change, as they are."""
    for path, version in installed.items():
        if path not in changed and path != settings.paths.main_cf:
            yield RenderedFile(path, fixed(read_file(settings.at(path)) or b""), made_from=version)


def _no_signature_ttl(settings: Settings) -> Iterator[Notice]:
    if settings.lifecycle.signature_ttl and not SIGNERS[settings.signing.signer].has_signature_ttl:
        yield Notice(
            f"{settings.signing.signer} cannot put an end on its signatures: signature_ttl has no effect",
            "leave signature_ttl out, or sign with opendkim",
        )


def _leftovers(settings: Settings, store: KeyReader, daemon: Signer, selection: Selection) -> Iterator[str]:
    """The copies of keys that no daemon reads once the rendering is in place, as system paths."""
    for place in (place for each in all_signers() for place in each.key_copies):
        yield from revoked_copies(settings, store, place, selection)
    for earlier in daemon.key_copies[1:]:
        yield from moved_copies(settings, earlier, selection)
