"""Everything this host should be told, as one value."""

from types import MappingProxyType

from dkimctl.config.settings import Settings
from dkimctl.keys.store import KeyReader
from dkimctl.signers.base import Rendering, Signer
from dkimctl.signers.derived import revoked_copies
from dkimctl.signers.postfix import postfix_settings
from dkimctl.signers.registry import all_signers, signer_of
from dkimctl.signers.selection import select_keys


def desired(settings: Settings, store: KeyReader, signer: Signer | None = None) -> Rendering:
    """Return the rendering for every managed domain. Reads the keys and what is installed, and writes nothing.

    Raises UsageError when no domain has a key or a setting cannot be used, DiskError when something cannot be read,
    Refused when a table's managed block is broken, Unavailable when postconf fails.
    """
    daemon = signer or signer_of(settings)
    everyone = all_signers()
    selection = select_keys(settings, store, both=daemon.signs_twice)
    files, notices = daemon.files(settings, selection)
    retired = (socket for other in everyone if other is not daemon for socket in other.retired_sockets(settings))
    postfix, postfix_notices = postfix_settings(settings, (*daemon.sockets(settings), *retired))
    transition = (notice for each in everyone for notice in each.transition_notices(settings, selection))
    places = (place for each in everyone for place in each.key_copies)
    return Rendering(
        signer=daemon.name,
        keys=selection.keys,
        files=files,
        directories=daemon.directories(settings),
        postfix=MappingProxyType(postfix),
        notices=(*selection.notices, *transition, *notices, *postfix_notices),
        leftovers=tuple(path for place in places for path in revoked_copies(settings, store, place, selection)),
    )
