"""What every selftest works with: its messages, the key records, and what came of it all."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.dkim.keysource import records_in_dns
from dkimctl.errors import DiskError, DkimctlError, Unavailable
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import KeyName, KeyReader, published_keys
from dkimctl.names import owner_name, split_owner_name
from dkimctl.opendkim.sockets import MilterSocket, parse_socket
from dkimctl.record.published_keys import record_of
from dkimctl.selftest.attempt import Attempt, AttemptState
from dkimctl.selftest.cases import Case, cases
from dkimctl.signers.registry import signer_of


class Via(StrEnum):
    """The way in which messages are handed in."""

    MILTER = "milter"
    SMTP = "smtp"
    SENDMAIL = "sendmail"


@dataclass(frozen=True, slots=True)
class Selftest:
    """The results of all test messages."""

    via: Via
    where: str
    """What they were handed to: the daemon's socket, or Postfix."""
    attempts: tuple[Attempt, ...]
    notes: tuple[str, ...] = ()
    """What holds for all of them."""

    @property
    def exit_code(self) -> int:
        """1 when a message is not signed as it should be, 3 when one could not be judged, else 0."""
        states = {a.state for a in self.attempts}
        return 3 if AttemptState.UNKNOWN in states else 1 if AttemptState.WRONG in states else 0

    @property
    def is_all_signed(self) -> bool:
        """Return whether every message is signed as it should be, without a warning."""
        return all(attempt.state is AttemptState.SIGNED for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Prober:
    """The context of a selftest: settings, clients, keys."""

    settings: Settings
    store: KeyReader
    clock: Clock
    report: Callable[[Attempt], None]
    """Is called with each attempt as it ends."""
    patience: float = 10.0
    """Seconds that the daemon may take for one message."""


def all_cases(prober: Prober, domains: Sequence[str], now: datetime) -> Iterator[tuple[str, Case]]:
    """Every message of the first domain's cases, and for the others one from the domain and one from below it."""
    for number, domain in enumerate(domains):
        own = prober.settings.domain(domain).subdomains
        below = prober.settings.signing.subdomains if own is None else own
        for case in cases(domain, now, subdomains=below, thorough=number == 0):
            yield domain, case


def daemon_socket(settings: Settings) -> MilterSocket:
    """Return where the daemon of this machine listens: what its own files say, else what the configuration says."""
    return signer_of(settings).listens_at(settings) or parse_socket(settings.signing.socket)


class Finder:
    """Finds the key record of a signature: in DNS, or on this disk for a key that is not there yet.

    DNS is asked first: this tool does not notice a record that a person made.
    """

    def __init__(self, prober: Prober, domains: Iterable[str]) -> None:
        """`domains`: with the first record that is needed, those of all their keys are asked for, at once."""
        self._store = prober.store
        self._lookup = prober.settings.lookup
        self._domains = domains
        self._in_dns: dict[str, str | Unavailable | None] = {}
        self._unpublished: dict[str, None] = {}

    def find(self, owner: str) -> str | None:
        """The record's text. Raises Unavailable; asks once for each name."""
        if owner not in self._in_dns:
            self._in_dns.update(records_in_dns([owner, *self._expected()], self._lookup))
        found = self._in_dns[owner]
        if not isinstance(found, Unavailable):
            return found or self._on_disk(owner)
        on_disk = self._on_disk(owner, made_here=True)
        if on_disk is None:
            raise found
        return on_disk

    def _expected(self) -> Iterator[str]:
        """The names that will be asked for, but for the damaged keys, which are reported when a signature needs one."""
        domains, self._domains = self._domains, ()
        for domain in domains:
            with suppress(DkimctlError):
                yield from [owner_name(key.selector, domain) for key in published_keys(self._store.keys(domain))]

    @property
    def notes(self) -> tuple[str, ...]:
        """Return notes about the keys that were taken from this disk."""
        return tuple(
            f"{name} is not published yet: verified with the key on this disk; nobody else can verify it"
            for name in self._unpublished
        )

    def is_unpublished(self, owner: str) -> bool:
        """Return whether the key of this owner name came from this disk."""
        return owner in self._unpublished

    def _on_disk(self, owner: str, *, made_here: bool = False) -> str | None:
        selector, domain = split_owner_name(owner)
        try:
            key = self._store.find(KeyName(domain, selector))
        except DiskError:
            return None
        if key is None or key.phase is not Phase.GENERATED or (made_here and not key.metadata.history):
            return None
        self._unpublished[owner] = None
        return record_of(self._store, key).text


def noted(attempt: Attempt, finder: Finder) -> Attempt:
    """A signature that only this disk can verify is a warning."""
    if attempt.state is not AttemptState.SIGNED:
        return attempt
    names = [f"{selector}._domainkey.{attempt.domain}" for selector in attempt.selectors]
    return replace(attempt, state=AttemptState.WARNING) if any(map(finder.is_unpublished, names)) else attempt
