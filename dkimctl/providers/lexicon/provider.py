"""The provider for the services of dns-lexicon: `lexicon:NAME`."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dkimctl.errors import ApiError, ConfigError, DkimctlError, Refused
from dkimctl.names import DOMAINKEY, is_within, printable
from dkimctl.providers.base import DEFAULT_RATE, Change, Create, Delete, Found, ProviderRecord, ProviderSetup, Replace
from dkimctl.providers.lexicon.adapter import Session, known_services
from dkimctl.providers.lexicon.options import ServiceOptions, service_options
from dkimctl.providers.lexicon.services import REMAKING
from dkimctl.providers.lexicon.text import from_service, to_service
from dkimctl.providers.limit import RateLimit

_MOST_SESSIONS = 128


def open_lexicon(setup: ProviderSetup) -> "LexiconProvider":
    """Return the provider for `lexicon:NAME`. Raises ConfigError. Makes no request."""
    known = known_services()
    hint = f"type --provider lexicon:NAME with one of: {', '.join(known)}"
    if not setup.argument:
        raise ConfigError("the provider lexicon needs a service", hint=hint)
    if setup.argument not in known:
        raise ConfigError(f"dns-lexicon knows no service {printable(setup.argument)}", hint=hint)
    options = service_options(setup.argument, setup.settings)
    limit = RateLimit(
        setup.clock, setup.pace, usual=DEFAULT_RATE, budget=setup.budget, credential=options.credential_digest
    )
    return LexiconProvider(options, limit)


class LexiconProvider:
    """One account at one service."""

    def __init__(self, options: ServiceOptions, limit: RateLimit) -> None:
        self._limit = limit
        self.name = f"lexicon:{options.service}"
        self.capabilities = options.capabilities
        self._options = options
        self._sessions: dict[tuple[str, int], Session] = {}
        self._lock = threading.Lock()

    def zone_of(self, name: str) -> str:
        """Return the nearest enclosing domain for which the service accepts the login.

        A few services accept any zone until a record is requested; for them the zone must be configured or found in
        DNS.
        """
        labels = (name.partition(f"{DOMAINKEY}.")[2] or name).split(".")
        refusal: DkimctlError | None = None
        for start in range(len(labels) - 1):
            try:
                self._session(".".join(labels[start:]))
                return ".".join(labels[start:])
            except ApiError as error:
                refusal = refusal or error
        raise refusal or ApiError(f"no zone for {name} at {self.name}", hint='set [domains."NAME"] zone = "…"')

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records at these names, as listed by the service."""
        session = self._session(zone)
        return {name: tuple(_records(session, zone, name)) for name in names}

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Apply one change after the other: the library has no transactions."""
        try:
            for change in changes:
                match change:
                    case Create(record):
                        self._create(zone, record)
                    case Replace(before, after):
                        self._replace(zone, before, after)
                    case Delete(record):
                        self._session(zone).delete(record.id, record.field_type, record.name)
        finally:
            self._forget(zone)

    def _create(self, zone: str, record: ProviderRecord) -> None:
        try:
            self._session(zone, record.ttl).create(record.name, self._content(record))
        except ApiError:
            self._forget(zone)
            session = self._session(zone)
            exists = any(other.text == record.text for other in _records(session, zone, record.name))
            if not exists:  # otherwise only the answer was lost
                raise

    def _replace(self, zone: str, before: ProviderRecord, after: ProviderRecord) -> None:
        """Replace in place; where the library would delete first, create the new record before deleting the old."""
        session = self._session(zone, after.ttl)
        if self._options.service not in REMAKING:
            session.update(before.id, after.name, self._content(after))
        elif before.text == after.text:
            raise Refused(
                f"{after.name}: {self.name} cannot change a ttl without removing the record for a moment",
                hint="leave the ttl as it is: without --ttl, and without ttl = in the configuration",
            )
        else:
            self._create(zone, ProviderRecord(after.name, after.field_type, after.text, after.ttl))
            self._forget(zone)
            self._session(zone).delete(before.id, before.field_type, before.name)

    def activate(self, zone: str) -> None:
        """Do nothing: the library makes each change effective by itself."""

    def is_active(self, zone: str) -> bool | None:
        """Return None: the library does not know."""
        return None

    def _forget(self, zone: str) -> None:
        """Drop the zone's sessions: the library's code for some services caches a zone in the session."""
        with self._lock:
            for key in [key for key in self._sessions if key[0] == zone]:
                del self._sessions[key]

    def _content(self, record: ProviderRecord) -> str:
        return to_service(record.text, self._options.text_form)

    def _session(self, zone: str, ttl: int = 0) -> Session:
        """Return a session for a zone, reused if there is one. Only the last ones are kept: there may be many zones."""
        with self._lock:
            session = self._sessions.pop((zone, ttl), None)
        if session is None:
            session = Session(self._options, zone, ttl, self._limit)
        with self._lock:
            self._sessions[zone, ttl] = session
            while len(self._sessions) > _MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return session


def _records(session: Session, zone: str, name: str) -> Iterator[ProviderRecord]:
    for kind in ("TXT", "CNAME"):
        for fields in session.records(kind, name):
            if fields.get("type", kind) == kind and _absolute(str(fields.get("name", "")), zone) == name:
                yield _record(kind, name, fields)


def _record(kind: str, name: str, fields: Mapping[str, Any]) -> ProviderRecord:
    content = str(fields.get("content") or "")
    ttl = str(fields.get("ttl") or "")
    text = from_service(content) if kind == "TXT" else content.lower().rstrip(".")
    return ProviderRecord(name, kind, text, int(ttl) if ttl.isdecimal() else 0, str(fields.get("id") or ""))


def _absolute(name: str, zone: str) -> str:
    """Make a listed name absolute: the library leaves some relative."""
    lower = name.lower()
    if lower.endswith("."):
        return lower[:-1]
    return lower if is_within(lower, zone) else f"{lower}.{zone}"
