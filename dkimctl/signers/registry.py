"""The signers by name."""

from dkimctl.config.settings import Settings
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.signers.base import Signer
from dkimctl.signers.dkimpy import rendering as dkimpy
from dkimctl.signers.dkimpy.rendering import DkimpyMilter
from dkimctl.signers.opendkim.rendering import OpenDkim
from dkimctl.signers.rspamd import rendering as rspamd
from dkimctl.signers.rspamd.rendering import Rspamd

_SIGNERS: tuple[Signer, ...] = (OpenDkim(), Rspamd(), DkimpyMilter())

COPIES = (rspamd.KEYS, dkimpy.KEYS)
"""Where signers have copies of keys, as system paths."""


def retired_sockets(settings: Settings) -> tuple[MilterSocket, ...]:
    """Where the signers that this host no longer uses listen by their installed configuration.

    rspamd is not among them: it does more than sign, so its place in Postfix is not ours to take.
    """
    others = (signer for signer in _SIGNERS if signer.name not in (settings.signing.signer, Rspamd.name))
    return tuple(socket for signer in others for socket in signer.sockets(settings)[1:])


def signer_named(name: str) -> Signer:
    """The signer that `config.settings.SIGNERS` calls so."""
    return next(signer for signer in _SIGNERS if signer.name == name)
