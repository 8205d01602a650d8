"""The signers by name, each loaded when it is first needed."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from dkimctl.config.settings import Settings
from dkimctl.signers.base import Signer

SIGNERS: Mapping[str, str] = MappingProxyType(
    {
        "opendkim": "dkimctl.signers.opendkim.signer:OpenDkim",
        "rspamd": "dkimctl.signers.rspamd.signer:Rspamd",
        "dkimpy-milter": "dkimctl.signers.dkimpy.signer:DkimpyMilter",
    }
)
"""Name, as in `config.settings.SIGNERS` → MODULE:CLASS."""


@cache
def signer_named(name: str) -> Signer:
    """Return the signer of this name. Raises KeyError for any other name."""
    module, _, attribute = SIGNERS[name].partition(":")
    signer: Signer = getattr(import_module(module), attribute)()
    return signer


def signer_of(settings: Settings) -> Signer:
    """Return the signer that the settings name."""
    return signer_named(settings.signing.signer)


def all_signers() -> tuple[Signer, ...]:
    """Return every signer."""
    return tuple(map(signer_named, SIGNERS))
