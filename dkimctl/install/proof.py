"""The proof that the signer signs: as Postfix would, it is shown a message for each key, and the signature verified."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.signature import FindRecord
from dkimctl.errors import CheckFailed, DkimctlError, Unavailable
from dkimctl.host.daemonnames import name_to_send
from dkimctl.host.world import read_world
from dkimctl.milter.client import Client
from dkimctl.milter.probe import probe
from dkimctl.milter.wire import NothingListens
from dkimctl.opendkim.sockets import parse_socket
from dkimctl.programs import log_of
from dkimctl.signers.base import Name
from dkimctl.signers.registry import signer_of
from dkimctl.signers.rendered import SigningKey

_PAUSE = 0.2
_ELSEWHERE, _UNKNOWN = "192.0.2.1", "client.invalid"  # a client that no list has (RFC 5737)
_BELOW = "probe"  # the label below a domain from which its sub-domains are probed


@dataclass(frozen=True, slots=True)
class Failure:
    """A test message that was not signed correctly."""

    key: SigningKey
    sender: str
    """The domain in From."""
    error: DkimctlError


def prove(keys: Iterable[SigningKey], settings: Settings, find_record: FindRecord, clock: Clock) -> tuple[Failure, ...]:
    """Show the signer a message for each of these keys; return those that were not signed as they should be."""
    since, client = clock.monotonic(), _trusted_client(settings)
    failures = []
    for key in keys:
        for sender in _senders(key):
            error = _probe(key, sender, settings, client, find_record, clock, since)
            if error is not None:
                failures.append(Failure(key, sender, error))
                break
    return tuple(failures)


def prove_ended(names: Iterable[Name], settings: Settings, clock: Clock) -> Name | None:
    """Return the first of these keys with which the signer still signs when its reload must have ended; None: none.

    A signer that does not answer signs nothing. `names`: domain and selector of each key.
    """
    socket, client, since = parse_socket(settings.signing.socket), _trusted_client(settings), clock.monotonic()
    patience = signer_of(settings).service(settings).to_reload
    for domain, selector in names:
        while True:
            try:
                seen = probe(socket, domain, selector, domain, lambda _: None, client=client, clock=clock)
            except Unavailable:
                break
            if (domain, selector) not in {(one.domain, one.selector) for one in seen.signatures}:
                break
            if clock.monotonic() - since > patience:
                return domain, selector
            clock.sleep(_PAUSE)
    return None


def _senders(key: SigningKey) -> Iterator[str]:
    yield key.domain
    if key.subdomains:
        yield f"{_BELOW}.{key.domain}"


def _probe(
    key: SigningKey,
    sender: str,
    settings: Settings,
    client: Client,
    find_record: FindRecord,
    clock: Clock,
    since: float,
) -> DkimctlError | None:
    """Return why mail from this domain has no valid signature, or None when it has one.

    Retries for a while; `since`: time of the daemon's reload.
    """
    socket = parse_socket(settings.signing.socket)
    service = signer_of(settings).service(settings)
    while True:
        patience = service.to_reload
        try:
            seen = probe(socket, sender, key.selector, key.domain, find_record, client=client, clock=clock)
            if not seen.problem:
                return None
            log = f"see its log: {log_of(service.name, seen.job)}"
            error: DkimctlError = CheckFailed(seen.problem, hint=log)
        except NothingListens as refused:
            log = f"see its log: {log_of(service.name)}"
            error, patience = CheckFailed(refused.message, hint=log), service.to_start
        except Unavailable as unavailable:
            error = unavailable
        if clock.monotonic() - since > patience:
            return error
        clock.sleep(_PAUSE)


def _trusted_client(settings: Settings) -> Client:
    """Return a client whose mail should be signed, with the daemon name that Postfix sends.

    This machine where it is trusted, else the first trusted host; without any, a client of a service that MTA lists,
    else one that has logged in.
    """
    name, is_listed = name_to_send(read_world(settings, tables=("MTA",))) if settings.is_live else ("", False)
    known = Client(service=name) if name else Client()
    for host in settings.signing.trusted_hosts:
        try:
            address = ip_network(host.replace("[", "").replace("]", ""), strict=False).network_address
        except ValueError:
            continue
        everywhere = int(address) == 0
        return known if address.is_loopback or everywhere else replace(known, address=str(address), name=_UNKNOWN)
    return replace(known, address=_ELSEWHERE, name=_UNKNOWN) if is_listed else replace(known, login="dkimctl")
