"""The sandbox: API and name servers together, started and stopped as one."""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self

from dkimctl.errors import Unavailable, UsageError, reason
from dkimctl.sandbox.access import Access
from dkimctl.sandbox.api import Api
from dkimctl.sandbox.calls import CallLog, LoggedCall
from dkimctl.sandbox.credentials import Credentials
from dkimctl.sandbox.dnsfaults import DnsFaults, DnsRole
from dkimctl.sandbox.dnsserver import DnsSockets, NameServer
from dkimctl.sandbox.faults import Faults
from dkimctl.sandbox.http import ApiServer, Backend
from dkimctl.sandbox.listening import Loop
from dkimctl.sandbox.oauth2 import ServiceAccount, ServiceAccounts
from dkimctl.sandbox.records import Record
from dkimctl.sandbox.resolution import Tables
from dkimctl.sandbox.served import Served, Soa
from dkimctl.sandbox.switches import Switches
from dkimctl.sandbox.zones import Zone

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
NAME_SERVERS: dict[DnsRole, str] = {"ns1": FIRST, "ns2": SECOND}
ATTEMPTS = 50
INTERNAL = "sandbox.internal"
"""The zone with the name servers' names and addresses."""


class Sandbox:
    """An OVH-compatible DNS API and its name servers on loopback; a context manager.

    The API listens on 127.0.0.1. The name servers listen on one port of 127.0.0.1 and, where that address
    exists, of 127.0.0.2; the first is the resolver as well. Port 0 takes any free one.

    Attributes: `zones` by name, `credentials`, `accounts` (OAuth2), `faults` (HTTP), `dns_faults`, `switches`.
    """

    def __init__(
        self,
        zones: Iterable[str] = ("domain.tld",),
        switches: Switches | None = None,
        *,
        api_port: int = 0,
        dns_port: int = 0,
        on_call: Callable[[LoggedCall], None] | None = None,
    ) -> None:
        self.switches = switches or Switches()
        self._ports = api_port, dns_port
        self.credentials = Credentials()
        self.accounts = ServiceAccounts(self.switches.token_lifetime)
        self.faults = Faults()
        self.dns_faults = DnsFaults(lambda: {name: zone.snapshot() for name, zone in self.zones.items()})
        self._log = CallLog(on_call)
        self._servers: tuple[DnsRole, ...] = ("ns1", "ns2") if _exists(SECOND) else ("ns1",)
        names = tuple(f"{server}.{INTERNAL}" for server in self._servers)
        self.zones = {name: Zone(name, names, self.switches) for name in map(_zone_name, zones)}
        self._tables = Tables(self._sources())
        self._cleanup = contextlib.ExitStack()
        self._api_address = ("", 0)
        self.dns_address: tuple[str, int] = ("", 0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the sockets and start to answer. Raises Unavailable when a port is in use or not permitted."""
        with contextlib.ExitStack() as undo:
            api_server = self._open_api(undo)
            name_servers = self._open_dns(undo)
            loop = Loop()
            loop.watch(api_server, api_server.handle_request)
            for name_server in name_servers:
                name_server.watch(loop)
            undo.callback(loop.stop)
            loop.start()
            self._cleanup = undo.pop_all()

    def stop(self) -> None:
        """Close every socket and end every thread; a second call does nothing."""
        self._cleanup.close()

    @property
    def api_url(self) -> str:
        """The API's base URL, for OVH_ENDPOINT."""
        host, port = self._api_address
        return f"http://{host}:{port}/1.0"

    @property
    def oauth2_token_url(self) -> str:
        """The URL at which a service account gets its token."""
        host, port = self._api_address
        return f"http://{host}:{port}/auth/oauth2/token"

    def environment(self, account: ServiceAccount | None = None) -> dict[str, str]:
        """Return the variables with which dkimctl uses this sandbox, with a consumer key for everything.

        `account`: a service account in place of the three keys.
        """
        host, port = self.dns_address
        keys = {
            "OVH_APPLICATION_KEY": self.credentials.application_key,
            "OVH_APPLICATION_SECRET": self.credentials.application_secret,
            "OVH_CONSUMER_KEY": self.credentials.consumer_key,
        }
        if account:
            keys = {"OVH_CLIENT_ID": account.client_id, "OVH_CLIENT_SECRET": account.client_secret}
        return {
            "OVH_ENDPOINT": self.api_url,
            **keys,
            "DKIMCTL_NAMESERVERS": f"{host}:{port}",
            "DKIMCTL_DNS_PORT": str(port),
            "NO_PROXY": FIRST,
        }

    @property
    def calls(self) -> list[LoggedCall]:
        """The API calls so far, in order of arrival."""
        return self._log.calls

    def clear_calls(self) -> None:
        """Clear the log; the next call is number 1."""
        self._log.clear()

    def zone(self, name: str) -> Zone:
        """Return a zone. Raises KeyError when the sandbox does not have it."""
        return self.zones[_zone_name(name)]

    def _open_api(self, undo: contextlib.ExitStack) -> ApiServer:
        access = Access(self.credentials, self.accounts, self.switches)
        backend = Backend(Api(self.zones, access), self._log, self.faults, self.switches)
        port = self._ports[0]
        try:
            server = ApiServer((FIRST, port), backend)
        except OSError as error:
            raise _cannot_listen(port, error, "--api-port") from error
        undo.callback(server.stop)
        self._api_address = FIRST, server.server_address[1]
        return server

    def _open_dns(self, undo: contextlib.ExitStack) -> list[DnsSockets]:
        """Open UDP and TCP of every name server on one port; for a free port several may have to be tried."""
        port = self._ports[1]
        for _ in range(ATTEMPTS):
            try:
                with contextlib.ExitStack() as opened:
                    sockets = self._bind_dns(port, opened)
                    undo.push(opened.pop_all())
                    return sockets
            except OSError as error:
                if port or error.errno != errno.EADDRINUSE:
                    raise _cannot_listen(port, error, "--dns-port") from error
        raise Unavailable("no port is free on all loopback addresses", hint="name one with --dns-port")

    def _bind_dns(self, port: int, opened: contextlib.ExitStack) -> list[DnsSockets]:
        sockets: list[DnsSockets] = []
        for role in self._servers:
            server = NameServer(role, self._tables, self.dns_faults)
            sockets.append(DnsSockets(server, (NAME_SERVERS[role], port), self.switches.dns_delay))
            opened.callback(sockets[-1].close)
            port = sockets[0].address[1]
        self.dns_address = FIRST, port
        return sockets

    def _sources(self) -> Mapping[str, Callable[[], Served]]:
        sources = {name: zone.snapshot for name, zone in self.zones.items()}
        soa = Soa(f"ns1.{INTERNAL}.", f"hostmaster.{INTERNAL}.", 1)
        addresses = [("A", server, NAME_SERVERS[server]) for server in self._servers]
        fixed = {INTERNAL: self._delegation("") + addresses, "": []}
        for name in (*self.zones, INTERNAL, ""):
            fixed[""] += self._delegation(name)
        for name, rows in fixed.items():
            records = tuple(Record(0, field_type, sub, target, 0) for field_type, sub, target in rows)
            sources[name] = _constant(Served(name, soa, records))
        return sources

    def _delegation(self, sub_domain: str) -> list[tuple[str, str, str]]:
        return [("NS", sub_domain, f"{server}.{INTERNAL}.") for server in self._servers]


def _constant(served: Served) -> Callable[[], Served]:
    return lambda: served


def _zone_name(text: str) -> str:
    name = text.strip().rstrip(".").lower()
    if not name or name == INTERNAL:
        raise UsageError(f"not a zone for the sandbox: {text!r}", hint="name a domain such as domain.tld")
    return name


def _exists(address: str) -> bool:
    """Return whether this host has a loopback address; only Linux has all of 127.0.0.0/8."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _cannot_listen(port: int, error: OSError, option: str) -> Unavailable:
    hint = f"leave {option} out to take any free port, or name one above 1023"
    return Unavailable(f"cannot listen on loopback port {port}: {reason(error)}", hint=hint)
