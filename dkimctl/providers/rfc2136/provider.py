"""The provider for a primary name server that takes signed dynamic updates."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from dkimctl.clock import Clock
from dkimctl.providers.base import Capabilities, Change, Create, Found, ProviderRecord, ProviderSetup, Replace
from dkimctl.providers.rfc2136.client import UpdateClient
from dkimctl.providers.rfc2136.refusals import Kind, UpdateError, below_cut, changed_meanwhile, not_recognised
from dkimctl.providers.rfc2136.server import client_for
from dkimctl.providers.rfc2136.update import expected_after, records_of, update_message

if TYPE_CHECKING:
    import dns.rdataset

T = TypeVar("T")
_PAUSES = (0.5, 1.5)  # seconds before asking again a server that gave no usable answer


def open_rfc2136(setup: ProviderSetup) -> "UpdateProvider":
    """The provider for `rfc2136` or `rfc2136:HOST[:PORT]`. Raises ConfigError."""
    return UpdateProvider(client_for(setup), setup.clock)


class UpdateProvider:
    """The zones of one primary server that one TSIG key may change."""

    name = "rfc2136"
    capabilities = Capabilities(field_type="TXT")

    def __init__(self, client: UpdateClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._cuts: dict[str, str] = {}
        """`_domainkey.DOMAIN` → the zone that the server has it in."""
        self._seen: dict[str, int] = {}
        """Owner name → a digest of what `find` saw there: a hosting provider's names are many."""

    def zone_of(self, name: str) -> str:
        """The zone that the server names in its answer to a question for the SOA."""
        return self._patiently(lambda: self._client.soa_owner(name))

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """The records at these names, from the server itself."""
        for name in names:
            self._refuse_below_cut(zone, name)
        found = {name: records_of(name, self._sets(zone, name)) for name in names}
        self._seen |= {name: hash(_ids(records)) for name, records in found.items()}
        return found

    def _refuse_below_cut(self, zone: str, name: str) -> None:
        """Raise UpdateError where the server has another zone for this name: in `zone` nobody would see a record."""
        parent = name.partition(".")[2]
        if parent not in self._cuts:
            self._cuts[parent] = self._patiently(lambda: self._client.soa_owner(parent))
        if self._cuts[parent].endswith(f".{zone}"):
            raise below_cut(self._client.server, zone, self._cuts[parent], name)

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """One message for each name, that the server takes as a whole or not at all."""
        for name, together in groupby(changes, key=attrgetter("name")):
            self._apply(zone, name, tuple(together))

    def _apply(self, zone: str, name: str, changes: Sequence[Change]) -> None:
        sets = self._sets(zone, name)
        present = records_of(name, sets)
        self._refuse_what_changed(name, present, changes)
        message = update_message(zone, name, sets, changes)
        wanted = expected_after(present, changes)

        def send() -> None:
            """Safe to repeat: when an answer was lost and the update was done, the prerequisites say no."""
            try:
                self._client.update(message, zone, name)
            except UpdateError as error:
                if error.kind is not Kind.CHANGED:
                    raise
                now = _ids(records_of(name, self._sets(zone, name)))
                if now == wanted:
                    return
                if now == _ids(present):
                    raise not_recognised(self._client.server, zone, name) from None
                raise

        self._patiently(send)
        self._seen.pop(name, None)

    def _refuse_what_changed(self, name: str, present: Sequence[ProviderRecord], changes: Sequence[Change]) -> None:
        """What is there now must be what the plan was made from."""
        touched = {_before(change).id for change in changes if not isinstance(change, Create)}
        now = hash(_ids(present))
        if self._seen.get(name, now) != now or not touched <= _ids(present):
            raise changed_meanwhile(name)

    def activate(self, zone: str) -> None:
        """Nothing: an update is served as soon as it is answered, and the server notifies its secondaries."""

    def is_active(self, zone: str) -> bool | None:
        """True: an update that was answered is being served."""
        return True

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """The servers that the zone itself names: where DNS shows none of them, it is another copy that is served."""
        return self._patiently(lambda: self._client.name_servers(zone))

    def _sets(self, zone: str, name: str) -> "list[dns.rdataset.Rdataset]":
        return self._patiently(lambda: self._client.records(zone, name))

    def _patiently(self, ask: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return ask()
            except UpdateError as error:
                if error.kind is not Kind.LOST:
                    raise
            self._clock.sleep(pause)
        return ask()


def _before(change: Change) -> ProviderRecord:
    """What a change is about: the record that is there, or for a creation the new one."""
    return change.before if isinstance(change, Replace) else change.record


def _ids(records: Sequence[ProviderRecord]) -> frozenset[str]:
    return frozenset(record.id for record in records)
