"""The OVH provider: find, change, refresh."""

import os
from collections.abc import Sequence

from dkimctl.clock import Clock
from dkimctl.errors import ConfigError
from dkimctl.names import DOMAINKEY, relative_name
from dkimctl.providers.base import (
    DEFAULT_RATE,
    Capabilities,
    Change,
    Create,
    Delete,
    Found,
    Pace,
    ProviderRecord,
    ProviderSetup,
    Replace,
)
from dkimctl.providers.budget import SharedBudget
from dkimctl.providers.limit import RateLimit
from dkimctl.providers.ovh.calls import UNPACED, Calls
from dkimctl.providers.ovh.client import ApiClient
from dkimctl.providers.ovh.credentials import Credentials, read_credentials
from dkimctl.providers.ovh.parallel import in_parallel
from dkimctl.providers.ovh.records import RELEVANT_TYPES, from_wire, records_in, to_wire, zone_path
from dkimctl.providers.ovh.refusals import Kind, OvhError, lost

_FEW = 3  # names; more are cheaper to find by reading the whole zone


def open_ovh(setup: ProviderSetup) -> "OvhProvider":
    """Return the provider with credentials from the environment or a file. Raises ConfigError. Makes no call."""
    if setup.argument:
        raise ConfigError(
            f"--provider ovh takes no argument after a colon: {setup.argument}", hint="type: --provider ovh"
        )
    credentials = read_credentials(setup.options, setup.settings, os.environ)
    return OvhProvider(credentials, setup.clock, pace=setup.pace, budget=setup.budget)


class OvhProvider:
    """One OVH account."""

    name = "ovh"
    capabilities = Capabilities(field_type="DKIM", fallback_type="TXT", minimum_ttl=60, knows_its_zones=True)

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        timeout: tuple[float, float] | None = None,
        pace: Pace = UNPACED,
        budget: SharedBudget | None = None,
    ) -> None:
        client = ApiClient(credentials, timeout=timeout) if timeout else ApiClient(credentials)
        limit = RateLimit(clock, pace, usual=DEFAULT_RATE, budget=budget, credential=credentials.digest)
        self._calls = Calls(client, clock, limit=limit)
        self._zones: dict[str, tuple[str, ...] | None] = {}
        self._jobs = pace.jobs
        self._not_exported: set[str] = set()
        self._changed: set[str] = set()
        """Zones with changes that are not refreshed yet."""

    def zone_of(self, name: str) -> str:
        """Return the zone of `name` by requesting each enclosing domain: the account's zones are never listed."""
        domain = name.partition(f"{DOMAINKEY}.")[2] or name
        labels = domain.split(".")
        denied: OvhError | None = None
        for start in range(len(labels) - 1):
            candidate = ".".join(labels[start:])
            try:
                if self._has_zone(candidate):
                    return candidate
            except OvhError as error:
                if error.kind is not Kind.NOT_GRANTED:
                    raise
                denied = error
        raise denied or OvhError(
            Kind.NO_ZONE,
            f"no zone for {domain} in this OVH account",
            hint=f"check the account and the endpoint ({self._calls.endpoint}), "
            f'or name the zone: [domains."{domain}"] zone = "…"',
        )

    def _has_zone(self, zone: str) -> bool:
        """Return whether the account has the zone."""
        return self._servers_of(zone) is not None

    def name_servers(self, zone: str) -> tuple[str, ...]:
        """Return the servers that OVH assigned to the zone; after a move to another provider others serve it."""
        return self._servers_of(zone) or ()

    def _servers_of(self, zone: str) -> tuple[str, ...] | None:
        """Return the zone's name servers, requested once; None when the account has no such zone."""
        if zone not in self._zones:
            self._zones[zone] = self._ask_for(zone)
        return self._zones[zone]

    def _ask_for(self, zone: str) -> tuple[str, ...] | None:
        """Request the zone; where that right is missing, list its records, which also shows that the zone exists."""
        try:
            try:
                fields = self._calls.get(zone_path(zone))
            except OvhError as error:
                if error.kind is Kind.NO_ZONE:
                    raise
                fields = self._calls.get(zone_path(zone, "/record", subDomain=DOMAINKEY))
        except OvhError as error:
            if error.kind is not Kind.NO_ZONE:
                raise
            return None
        servers = fields.get("nameServers") if isinstance(fields, dict) else None
        return tuple(str(server).lower().rstrip(".") for server in servers) if isinstance(servers, list) else ()

    def find(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records at these names. They are compared here: the API's filter treats `_` as a wildcard."""
        if len(names) > _FEW:
            records = self._all(zone, most=2 * len(names))
            if records is not None:
                at: dict[str, list[ProviderRecord]] = {name: [] for name in names}
                for record in records:
                    at.get(record.name, []).append(record)
                return at
        return dict(zip(names, in_parallel(lambda name: self._at(zone, name), names, self._jobs), strict=True))

    def glance(self, zone: str, names: Sequence[str]) -> Found:
        """Return the records found in the zone's text, which is one call; nothing when it cannot be read.

        For a few names in an unchanged zone `find` is as cheap: usually they have no records yet.
        """
        if (len(names) <= _FEW and zone not in self._changed) or zone in self._not_exported:
            return {}
        text = self._calls.optional(zone_path(zone, "/export"))
        if not isinstance(text, str):
            self._not_exported.add(zone)
            return {}
        return records_in(text, zone, set(names))

    def _all(self, zone: str, most: int) -> list[ProviderRecord] | None:
        """Return all DKIM, TXT and CNAME records of the zone, each read once; None when there are too many."""
        backoff = self._calls.backoff()
        while True:
            lists = in_parallel(lambda kind: self._numbers(zone, fieldType=kind), RELEVANT_TYPES, self._jobs)
            numbers = sorted({number for numbers in lists for number in numbers})
            if len(numbers) > most:
                return None
            try:
                records = in_parallel(lambda number: self._read(zone, number), numbers, self._jobs)
                return [record for record in records if record is not None]
            except OvhError as error:
                if error.kind is not Kind.GONE:
                    raise
                backoff.wait(error)

    def _at(self, zone: str, name: str) -> tuple[ProviderRecord, ...]:
        """Return the records at a name. A new record may be listed before it can be read: then list again."""
        backoff = self._calls.backoff()
        while True:
            try:
                numbers = self._numbers(zone, subDomain=relative_name(name, zone))
                listed = [self._read(zone, number) for number in numbers]
                return tuple(record for record in listed if record is not None and record.name == name)
            except OvhError as error:
                if error.kind is not Kind.GONE:
                    raise
                backoff.wait(error)

    def _numbers(self, zone: str, **query: str) -> list[int]:
        path = zone_path(zone, "/record", **query)
        numbers = self._calls.get(path)
        if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
            raise lost("answered with something other than a list of ids", "GET", path)
        return numbers

    def _read(self, zone: str, number: int) -> ProviderRecord | None:
        path = zone_path(zone, f"/record/{number}")
        fields = self._calls.get(path)
        if not isinstance(fields, dict):
            raise lost("answered with something other than a record", "GET", path)
        return from_wire(fields, zone)

    def apply(self, zone: str, changes: Sequence[Change]) -> None:
        """Apply the changes: those at one name in this order, different names in parallel."""
        by_name: dict[str, list[Change]] = {}
        for change in changes:
            by_name.setdefault(change.name, []).append(change)
        self._changed.add(zone)
        in_parallel(lambda one: self._apply_in_order(zone, one), list(by_name.values()), self._jobs)

    def _apply_in_order(self, zone: str, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case Create(record):
                    self._post(zone, record)
                case Replace(before, after):
                    self._replace(zone, before, after)
                case Delete(record):
                    self._delete(zone, record)

    def _post(self, zone: str, record: ProviderRecord) -> None:
        """Create a record once: after a lost answer, check whether it exists before trying again."""
        body = {"fieldType": record.field_type, **to_wire(record, zone)}
        backoff = self._calls.backoff()
        while True:
            try:
                self._calls.once("POST", zone_path(zone, "/record"), body)
                return
            except OvhError as error:
                backoff.wait_after(error)
            if any((r.field_type, r.text) == (record.field_type, record.text) for r in self._at(zone, record.name)):
                return

    def _replace(self, zone: str, before: ProviderRecord, after: ProviderRecord) -> None:
        """Change in place. The field type is never sent: the API refuses to alter it."""
        try:
            self._calls.repeat("PUT", zone_path(zone, f"/record/{before.id}"), to_wire(after, zone))
        except OvhError as error:
            if error.kind is not Kind.GONE:
                raise  # GONE: an edit of the whole zone gave every record a new id, which the read-back will show

    def _delete(self, zone: str, record: ProviderRecord) -> None:
        try:
            self._calls.repeat("DELETE", zone_path(zone, f"/record/{record.id}"))
        except OvhError as error:
            if error.kind is not Kind.GONE:
                raise

    def activate(self, zone: str) -> None:
        """Refresh the zone: changes are served only after that."""
        self._calls.repeat("POST", zone_path(zone, "/refresh"))
        self._changed.discard(zone)

    def is_active(self, zone: str) -> bool | None:
        """Return whether the zone's status says that it is deployed; None when it cannot be read."""
        status = self._calls.optional(zone_path(zone, "/status"))
        deployed = status.get("isDeployed") if isinstance(status, dict) else None
        return deployed if isinstance(deployed, bool) else None
