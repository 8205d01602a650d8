"""One pass of a relay: what changed in the database is fetched whole, put into effect, proven and confirmed.

Nothing of this is needed for signing: what the daemon reads are local files. Where the database does not answer, or
has to be refused, the relay keeps signing with what it has.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dkimctl.clock import Clock, timestamp
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, Unavailable
from dkimctl.files import locked
from dkimctl.fleet import relay_rows as rows
from dkimctl.fleet.admission import admitted, believed, own_identity, refuse_second_host, this_host
from dkimctl.fleet.apply import MOST_PROVEN, Applied, Installation, apply, install_keys
from dkimctl.fleet.changes import FleetKey, OpenKey
from dkimctl.fleet.database import Database
from dkimctl.fleet.local import LocalCopy
from dkimctl.fleet.rendered import read_rendered
from dkimctl.fleet.state import RelayState, write_state
from dkimctl.fleet.stored_changes import changes_since
from dkimctl.fleet.vault import Vault, open_vault
from dkimctl.host.milterconnections import open_connections
from dkimctl.keys.store import KeyReader
from dkimctl.lifecycle.generation import key_owner
from dkimctl.lifecycle.machine import STATE_DIRECTORY, make_state_directory, own_queue_lifetime
from dkimctl.lifecycle.queue import queued_mail
from dkimctl.signers.registry import signer_of

Report = Callable[[str], None]
_QUEUE_EVERY = 600
"""Seconds between two reports of the mail queue: to list a long one takes its time."""


class CautionKind(StrEnum):
    """What a caution is about."""

    CLOCK = "clock"
    NOT_RUNNING = "not-running"
    """No signer runs, so that nothing could be proven."""


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that an admin should look at; the pass went on."""

    kind: CautionKind
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of a pass."""

    relay: str
    generation: int
    """What this relay's files hold now."""
    confirmed: int
    """What the database was told."""
    applied: Applied | None = None
    """None when nothing had changed."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """By `SELECTOR of DOMAIN`, why a key does not sign."""
    cautions: tuple[Caution, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 when a key does not sign as it should, 3 while something is not proven, else 0."""
        return 1 if self.failed else 3 if self.confirmed < self.generation else 0


def sync(
    settings: Settings,
    store: KeyReader,
    database: Database,
    *,
    clock: Clock,
    full: bool = False,
    accept_older: bool = False,
    report: Report = lambda _: None,
) -> Synced:
    """Do one pass. `full`: fetch everything again. `accept_older`: believe a database that went back in time.

    Raises Refused where the database must not be believed or this relay is no part of its fleet, CheckFailed or
    DiskError for what is damaged here, Unavailable when the database fails, and what `apply` raises. Nothing is changed
    then, but for the last: what was changed is put back.
    """
    identity = own_identity(settings)
    make_state_directory(settings)
    with locked(settings.at(STATE_DIRECTORY), clock=clock):
        fleet, row = rows.fleet_row(database), rows.own_row(database)
        relay = admitted(row, identity)
        with _noted(database, relay.name):
            state = believed(settings, fleet, relay, accept_older=accept_older)
            if full or not settings.key_directory.is_dir():
                state = state._replace(generation=0)
            host = this_host()
            refuse_second_host(relay, host)
            ahead = clock.now() - fleet.now
            rows.beat(database, relay.name, host, ahead)
            _report_queue(settings, database, relay)
            made = _Pass(settings, store, database, clock, relay, fleet, report)
            synced = made.work(state, open_vault(database, identity))
        _note(database, relay.name, "; ".join(f"{key}: {why}" for key, why in synced.failed.items())[:1000])
        return replace(synced, cautions=(*_clock_cautions(ahead), *synced.cautions))


@contextmanager
def _noted(database: Database, relay: str) -> Iterator[None]:
    """Have `fleet status` say why a pass failed."""
    try:
        yield
    except DkimctlError as error:
        _note(database, relay, error.message)
        raise


def _report_queue(settings: Settings, database: Database, relay: rows.RelayRow) -> None:
    """Say what waits in the mail queue here, now and then: the old keys of that mail are kept for it."""
    if not settings.is_live or (relay.queue_age is not None and relay.queue_age < _QUEUE_EVERY):
        return
    mails = queued_mail(settings)
    oldest = min(mails, default=None) if mails else None
    since = datetime.fromtimestamp(oldest.arrival, UTC) if oldest else None
    count = None if mails is None else len(mails)
    rows.note_queue(database, relay.name, count, since, own_queue_lifetime(settings))


def _clock_cautions(ahead: timedelta) -> tuple[Caution, ...]:
    seconds = round(ahead.total_seconds())
    if abs(seconds) <= rows.CLOCK_MAY_DIFFER:
        return ()
    where = "ahead of" if seconds > 0 else "slow against"
    wrong = f"the clock of this host is {abs(seconds)} seconds {where} the database's: signatures have its time"
    return (Caution(CautionKind.CLOCK, wrong, "set it: chronyc makestep; see dkimctl doctor"),)


def _note(database: Database, relay: str, problem: str) -> None:
    try:
        rows.note_problem(database, relay, problem)
    except Unavailable:
        return  # the next pass says so


@dataclass(frozen=True, slots=True)
class _Pass:
    settings: Settings
    store: KeyReader
    database: Database
    clock: Clock
    relay: rows.RelayRow
    fleet: rows.FleetRow
    report: Report

    def work(self, state: RelayState, vault: Vault) -> Synced:
        """Fetch and apply what changed, prove what is not proven yet, and confirm."""
        applied, domains = None, frozenset[str]()
        if self.fleet.generation > state.generation:
            changes = changes_since(self.database, self.fleet, state.generation)
            applied = apply(self.settings, self.store, changes, opener(vault), clock=self.clock, report=self.report)
            domains, installed = applied.domains, applied.installation
        else:
            # the first pass makes what no unit may, such as opendkim.conf, while there is no key yet, too
            LocalCopy(self.settings.key_directory, key_owner(self.settings).owner).make()
            installed = self._prove_more(is_wanted=state.proven < self.fleet.generation or not state.synced)
        self._note_proofs(domains, installed)
        proven = self.fleet.generation if installed.is_told else state.proven
        generation = self.fleet.generation
        write_state(
            self.settings,
            RelayState(self.fleet.id, self.relay.name, generation, proven, timestamp(self.clock.now())),
        )
        if installed.is_told and (applied or self.relay.generation < generation):
            rows.confirm(self.database, self.relay.name, self.relay.generation, generation, installed.daemon)
        cautions = () if installed.is_told else (self._not_running(installed.daemon),)
        return Synced(self.relay.name, generation, proven, applied, _by_name(installed), cautions)

    def _prove_more(self, *, is_wanted: bool) -> Installation:
        """Prove keys that wait for it: a pass proves only so many, and a daemon may have been down.

        `is_wanted`: install what is here even if none waits.
        """
        waiting = rows.to_prove(self.database, self.relay.name, MOST_PROVEN)
        if waiting or is_wanted:
            domains = frozenset(domain for domain, _ in waiting)
            before = read_rendered(self.settings)
            return install_keys(self.settings, self.store, domains, domains, before, clock=self.clock)
        return Installation(frozenset(), daemon="", is_told=True)

    def _note_proofs(self, domains: frozenset[str], installed: Installation) -> None:
        name = self.relay.name
        rows.note_used(self.database, name, domains, installed.signing)
        rows.note_proofs(self.database, name, installed.proven, installed.failed)
        socket = signer_of(self.settings).listens_at(self.settings) if self.settings.is_live else None
        rows.note_left(self.database, name, open_connections(socket) if socket else frozenset())

    def _not_running(self, daemon: str) -> Caution:
        hint = "start it, then: dkimctl fleet sync" if self.settings.is_live else "the host itself proves its keys"
        return Caution(CautionKind.NOT_RUNNING, daemon, hint)


def opener(vault: Vault) -> OpenKey:
    """Return what opens the private keys of a change set."""

    def open_key(key: FleetKey) -> bytes:
        assert key.sealed is not None
        return vault.unseal(key.fleet_key, key.sealed, domain=key.domain, selector=key.selector, identity=key.identity)

    return open_key


def _by_name(installed: Installation) -> dict[str, str]:
    return {f"{selector} of {domain}": why for (domain, selector), why in installed.failed.items()}
