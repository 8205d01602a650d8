"""The provider for a primary name server that accepts signed dynamic updates."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

from dkimctl.clock import Clock
from dkimctl.providers.base import Capabilities, Change, Create, Found, ProviderRecord, ProviderSetup, Replace
from dkimctl.providers.budget import credential_digest
from dkimctl.providers.limit import RateLimit
from dkimctl.providers.rfc2136.client import UpdateClient
from dkimctl.providers.rfc2136.refusals import Kind, UpdateError, below_cut, changed_meanwhile, not_recognised
from dkimctl.providers.rfc2136.update import expected_after, records_of, update_message

if TYPE_CHECKING:
    import dns.rdataset
import re

from dkimctl.errors import ConfigError
from dkimctl.names import is_host, printable
from dkimctl.providers.base import check_strings
from dkimctl.providers.rfc2136.key import read_key

T = TypeVar("T")
_PAUSES = (0.5, 1.5)  # seconds before retries when a server gave no usable answer
OWN_FILE = "/etc/dkimctl/rfc2136.key"
OPTIONS = ("server", "key_file")
_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+))(?::(\d{1,5}))?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def open_rfc2136(setup: ProviderSetup) -> "UpdateProvider":
    """Return the provider for `rfc2136` or `rfc2136:HOST[:PORT]`. Raises ConfigError."""
    return UpdateProvider(client_for(setup), setup.clock)


class UpdateProvider:
    """The zones of one primary server that a TSIG key may change."""

    name = "rfc2136"
    capabilities = Capabilities(field_type="TXT")

    def __init__(self, client: UpdateClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._cuts: dict[str, str] = {}
        """`_domainkey.DOMAIN` → its zone at the server."""
        self._seen: dict[str, int] = {}
        """Owner name → a digest of the records that `find` saw: a hosting provider has many names."""

    def zone_of(self, name: str) -> str:
        """Return the owner of the SOA in the server's answer."""
        return self._retried(lambda: self._client.soa_owner(name))

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records at these names, from the server itself."""
        for name in names:
            self._refuse_below_cut(zone, name)
        found = {name: records_of(name, self._sets(zone, name)) for name in names}
        self._seen |= {name: hash(_ids(records)) for name, records in found.items()}
        return found

    def _refuse_below_cut(self, zone: str, name: str) -> None:
        """Raise UpdateError where the server has another zone for this name: `zone` would not serve a record."""
        parent = name.partition(".")[2]
        if parent not in self._cuts:
            self._cuts[parent] = self._retried(lambda: self._client.soa_owner(parent))
        if self._cuts[parent].endswith(f".{zone}"):
            raise below_cut(self._client.server, zone, self._cuts[parent], name)

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Send one message for each name, which the server applies completely or not at all."""
        for name, together in groupby(changes, key=attrgetter("name")):
            self._apply(zone, name, tuple(together))

    def _apply(self, zone: str, name: str, changes: Sequence[Change]) -> None:
        sets = self._sets(zone, name)
        present = records_of(name, sets)
        self._refuse_changed(name, present, changes)
        message = update_message(zone, name, sets, changes)
        wanted = expected_after(present, changes)

        def send() -> None:
            """Send the update; a retry is safe: if the update was done already, its prerequisites fail."""
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

        self._retried(send)
        self._seen.pop(name, None)

    def _refuse_changed(self, name: str, present: Sequence[ProviderRecord], changes: Sequence[Change]) -> None:
        """Raise UpdateError unless the records are those from which the plan was made."""
        touched = {_before(change).id for change in changes if not isinstance(change, Create)}
        now = hash(_ids(present))
        if self._seen.get(name, now) != now or not touched <= _ids(present):
            raise changed_meanwhile(name)

    def activate(self, zone: str) -> None:
        """Do nothing: an update is served as soon as it is answered, and the server notifies its secondaries."""

    def is_active(self, zone: str) -> bool | None:
        """Return True: an update that was answered is being served."""
        return True

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """Return the servers in the zone's NS records: if DNS shows none of them, another copy is being served."""
        return self._retried(lambda: self._client.name_servers(zone))

    def _sets(self, zone: str, name: str) -> "list[dns.rdataset.Rdataset]":
        return self._retried(lambda: self._client.records(zone, name))

    def _retried(self, ask: Callable[[], T]) -> T:
        for pause in _PAUSES:
            try:
                return ask()
            except UpdateError as error:
                if error.kind is not Kind.LOST:
                    raise
            self._clock.sleep(pause)
        return ask()


def _before(change: Change) -> ProviderRecord:
    """Return the existing record that a change affects, or for a creation the new one."""
    return change.before if isinstance(change, Replace) else change.record


def _ids(records: Sequence[ProviderRecord]) -> frozenset[str]:
    return frozenset(record.id for record in records)


def client_for(setup: ProviderSetup) -> UpdateClient:
    """Return a client for the configured server. Raises ConfigError. Sends nothing."""
    hint = f'the secret does not belong there: name its file with key_file = "{OWN_FILE}"'
    check_strings("rfc2136", setup.options, OPTIONS, hint=hint)
    server = setup.argument or str(setup.options.get("server", ""))
    if not server:
        raise ConfigError(
            "the provider rfc2136 needs the zone's primary server",
            hint='type: --provider rfc2136:HOST[:PORT], or set server = "HOST" in [providers.rfc2136]',
        )
    address = server_address(server)
    key = read_key(setup.settings.at(str(setup.options.get("key_file", OWN_FILE))))
    credential = credential_digest("rfc2136", server, key.name, key.secret.hex())
    return UpdateClient(address, key, RateLimit(setup.clock, setup.pace, budget=setup.budget, credential=credential))


def server_address(text: str) -> tuple[str, int]:
    """Parse `HOST`, `HOST:PORT`, `2001:db8::1` or `[2001:db8::1]:PORT` to host and port. Raises ConfigError."""
    if _IPV6.fullmatch(text):
        return text, 53
    match = _SERVER.fullmatch(text)
    port = int(match[3] or 53) if match else 0
    if match is None or not 0 < port < 65536 or not is_host(match[1] or match[2]):
        raise ConfigError(
            f"not a name server: {printable(text)}",
            hint="write HOST or HOST:PORT, such as ns1.example.com or [2001:db8::1]:5353",
        )
    return match[1] or match[2], port
