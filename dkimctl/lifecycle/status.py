"""The status of every key: its phase and since when, its kind, its age, and the next step. DNS is not asked.

Domain by domain: read, planned, and kept as what is shown of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from dkimctl.clock import Clock
from dkimctl.config.settings import Settings
from dkimctl.errors import DkimctlError, is_denied, shell_word
from dkimctl.findings import Finding, finding
from dkimctl.keys.metadata import Phase
from dkimctl.keys.store import LifecycleStore, no_key
from dkimctl.lifecycle.key_status import Keyless, KeyStatus
from dkimctl.lifecycle.last_run import rotation_findings
from dkimctl.lifecycle.machine import last_run
from dkimctl.lifecycle.next_step import NextStep
from dkimctl.lifecycle.notes import at_text
from dkimctl.lifecycle.planning import Do
from dkimctl.lifecycle.reading import lives, readable
from dkimctl.lifecycle.relays import Relays
from dkimctl.lifecycle.rows import Rows
from dkimctl.lifecycle.status_of_domain import DomainStatus, StatusReader
from dkimctl.providers.ovh.credential_check import credential_findings

Typed = Callable[[str], str]
"""Completes the commands in a text, so that they run as they are printed."""


@dataclass(frozen=True, slots=True)
class Status:
    """The status of all keys."""

    keys: Sequence[KeyStatus]
    """In the order of the domains; of each the oldest first."""
    keyless: tuple[Keyless, ...]
    findings: tuple[Finding, ...]
    """What could not be read, and what is to be said of the credential with which keys are published."""
    steps: Sequence[NextStep] = ()
    """The next step of each domain that has one."""
    others: Sequence[NextStep] = ()
    """Of domains that were named: what each waits for besides its next step."""
    deleted: tuple[str, ...] = ()
    """The domains that are deleted, of which something waits for its end."""
    last_run: str | None = None
    """When `rotate` last looked at everything: RFC 3339, UTC; None when it never ran."""


def status(
    settings: Settings,
    store: LifecycleStore,
    domains: Iterable[str],
    clock: Clock,
    *,
    are_listed: bool = False,
    relays: Relays | None = None,
    typed: Typed = str,
) -> Status:
    """Return the keys of these domains. `relays`: those of a fleet, which sign with its keys instead of this host.

    `are_listed`: they are all that the store has, with names that may be no domains: without keys they are passed over.
    Any other domain without keys that no configuration knows is a UsageError. `typed`: applied to every text with a
    command. Raises DiskError as `store.domains`.
    """
    reader = StatusReader(settings, store, clock, relays)
    kept = _Kept(typed, with_others=not are_listed)
    may_be_closed = False
    for domain, read in lives(store, domains):
        try:
            found = reader.of(domain, readable(read))
        except DkimctlError as error:
            kept.unread(domain, error)
            may_be_closed |= are_listed and is_denied(error)
            continue
        kept.add(domain, found)
        if not found.keys and not (are_listed and domain not in settings.domains):
            kept.keyless.append(_keyless(domain, settings, typed))
    if may_be_closed:
        deque(store.domains(), maxlen=0)  # to a user who is not root all directories are closed: that is one error
    if reader.machine_problem is not None:
        kept.unread(settings.signing.signer, reader.machine_problem)
    kept.add_findings(credential_findings(settings, store, clock))
    ran = None
    try:
        kept.add_findings(rotation_findings(settings, store, clock, relays))
        ran = last_run(settings)
    except DkimctlError as error:
        if reader.machine_problem is None:
            kept.unread("rotate", error)
    return kept.status(None if ran is None else at_text(ran))


class _Kept:
    """What is kept of all domains."""

    def __init__(self, typed: Typed, *, with_others: bool) -> None:
        self._typed = typed
        self._with_others = with_others
        self._keys = Rows(KeyStatus, phase=Phase)
        self._steps, self._others = Rows(NextStep, step=Do), Rows(NextStep, step=Do)
        self._deleted: list[str] = []
        self._findings: list[Finding] = []
        self.keyless: list[Keyless] = []

    def add(self, domain: str, found: DomainStatus) -> None:
        """Keep what is said of a domain."""
        for key in found.keys:
            self._keys.add(replace(key, next=self._typed(key.next)) if key.next else key)
        for step in found.steps if self._with_others else found.steps[:1]:
            rows = self._steps if step is found.steps[0] else self._others
            rows.add(replace(step, waits_for=self._typed(step.waits_for)) if step.waits_for else step)
        if found.is_deleted:
            self._deleted.append(domain)
        if found.problem is not None:
            self.unread(domain, found.problem)

    def unread(self, subject: str, error: DkimctlError) -> None:
        """Keep why something could not be read."""
        from dkimctl.catalogue.machine import UNREAD

        self.add_findings((finding(UNREAD, subject, error.message, fix=error.hint),))

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Keep findings."""
        self._findings += [replace(one, fix=self._typed(one.fix)) for one in findings]

    def status(self, ran: str | None) -> Status:
        """Return all of it."""
        keyless, findings, deleted = tuple(self.keyless), tuple(self._findings), tuple(self._deleted)
        return Status(self._keys, keyless, findings, self._steps, self._others, deleted, ran)


def _keyless(domain: str, settings: Settings, typed: Typed) -> Keyless:
    if domain not in settings.domains:
        raise no_key(domain)
    return Keyless(domain, typed(f"dkimctl genkey {shell_word(domain)}"))
