"""Check that the OVH credential is valid and does not expire soon, for `doctor` and `status`."""

import os
from collections.abc import Iterable

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError
from dkimctl.findings import Finding, finding
from dkimctl.keys.store import Key, KeyReader

_OVH = "ovh"


def credential_findings(settings: Settings, store: KeyReader, clock: Clock) -> tuple[Finding, ...]:
    """Check the credential with one call to OVH, if there is one and a domain uses it. Return the findings.

    An unreadable credential or an unreachable API is a finding of severity `unknown`. Raises nothing.
    """
    from dkimctl.catalogue import ovh_credential as catalogue
    from dkimctl.providers.ovh.credentials import find_credentials

    try:
        credentials = find_credentials(settings.providers.get(_OVH, {}), settings, os.environ)
    except DkimctlError as error:
        if not _is_used(settings, store):
            return ()  # perhaps another user's file
        return (finding(catalogue.NOT_READ, _OVH, error.message, fix=error.hint),)
    if credentials is None or not _is_used(settings, store):
        return ()
    from dkimctl.providers.ovh.whoami import credential_findings as ask

    return ask(credentials, clock)


def _is_used(settings: Settings, store: KeyReader) -> bool:
    """Return whether a managed domain is at OVH, according to the configuration or its key's metadata."""
    if _OVH in (settings.provider, *(domain.provider for domain in settings.domains.values())):
        return True
    try:
        return any(key.metadata.provider == _OVH for domain in store.domains() for key in _keys(store, domain))
    except DkimctlError:  # the commands that list the keys report it
        return False


def _keys(store: KeyReader, domain: str) -> Iterable[Key]:
    try:
        return store.keys(domain)
    except DkimctlError:
        return ()
