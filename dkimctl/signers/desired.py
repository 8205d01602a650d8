"""Everything this host should be told, as one value."""

from types import MappingProxyType

from dkimctl.config.settings import Settings
from dkimctl.keys.store import KeyStore
from dkimctl.signers.base import Rendering, Signer
from dkimctl.signers.derived import revoked_copies
from dkimctl.signers.opendkim.continuity import lost_signatures
from dkimctl.signers.postfix import postfix_settings
from dkimctl.signers.registry import COPIES, retired_sockets, signer_named
from dkimctl.signers.rspamd.rendering import still_signs
from dkimctl.signers.selection import select_keys


def desired(settings: Settings, store: KeyStore, signer: Signer | None = None) -> Rendering:
    """The rendering for every managed domain. Reads the keys and what is installed, and writes nothing.

    Raises UsageError when no domain has a key or a setting is of no use, DiskError when something cannot be read,
    Refused when a table's managed block is broken, Unavailable when postconf fails.
    """
    daemon = signer or signer_named(settings.signing.signer)
    selection = select_keys(settings, store, both=daemon.signs_twice)
    files, notices = daemon.files(settings, selection)
    postfix, postfix_notices = postfix_settings(settings, (*daemon.sockets(settings), *retired_sockets(settings)))
    twice = still_signs(settings) if daemon.name != "rspamd" else ()
    return Rendering(
        signer=daemon.name,
        keys=selection.keys,
        files=files,
        directories=daemon.directories(settings),
        postfix=MappingProxyType(postfix),
        notices=(*selection.notices, *lost_signatures(settings, selection), *notices, *postfix_notices, *twice),
        leftovers=tuple(path for place in COPIES for path in revoked_copies(settings, store, place, selection)),
    )
