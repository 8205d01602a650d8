"""Whether the credential with which keys are published will go on working: what `doctor` and `status` say of it."""

import os
from collections.abc import Iterable

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.findings import Finding, finding
from dkimctl.keys.store import Key, KeyReader

_OVH = "ovh"


def credential_findings(settings: Settings, store: KeyReader, clock: Clock) -> tuple[Finding, ...]:
    """One call to OVH, when a credential is there and something is published with it; else nothing.

    A credential that cannot be read, or an API that cannot be asked, is a finding of severity `unknown`. Raises
    nothing.
    """
    from dkimctl.catalogue import ovh_credential as catalogue
    from dkimctl.providers.ovh.credentials import find_credentials

    try:
        credentials = find_credentials(settings.providers.get(_OVH, {}), settings, os.environ)
    except DkimctlError as error:
        if not _is_used(settings, store):
            return ()  # somebody else's file, perhaps
        return (finding(catalogue.NOT_READ, _OVH, error.message, fix=error.hint),)
    if credentials is None or not _is_used(settings, store):
        return ()
    from dkimctl.providers.ovh.whoami import credential_findings as ask

    return ask(credentials, clock)


def _is_used(settings: Settings, store: KeyReader) -> bool:
    """True when a managed domain is at OVH, as configured or as its key remembers."""
    if _OVH in (settings.provider, *(domain.provider for domain in settings.domains.values())):
        return True
    try:
        return any(key.metadata.provider == _OVH for domain in store.domains() for key in _keys(store, domain))
    except DkimctlError:  # whoever shows the keys says so
        return False


def _keys(store: KeyReader, domain: str) -> Iterable[Key]:
    try:
        return store.keys(domain)
    except DkimctlError:
        return ()
