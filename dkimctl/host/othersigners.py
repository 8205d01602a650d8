"""Other possible signers: the programs that Postfix passes mail to, other than the opendkim of this host.

A milter or content filter is recognised by the process that listens at its socket, else by where it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dkimctl.config.settings import SIGNERS
from dkimctl.host.postfix import PostfixInstance
from dkimctl.host.process import OPENDKIM, Process, listener
from dkimctl.host.socketplace import effective_socket
from dkimctl.host.world import World
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import milter_socket, split_milters
from dkimctl.programs import find_program

MILTERS = ("smtpd_milters", "non_smtpd_milters")
FILTERS = ("content_filter", "smtpd_proxy_filter")
_SIGNERS = ("rspamd", "amavis", "dkimpy-milter", "dkimproxy", "opendkim", "openarc")
"""Programs that can sign, by a part of the name of their process, socket or transport."""
_OTHERS = ("opendmarc", "clamav", "clamd", "spamass", "milter-greylist", "milter-regex", "policyd", "srs", "mimedefang")
"""Programs that never sign."""
_PORTS = {11332: "rspamd", 8891: "opendkim", 12301: "opendkim", 8892: "dkimpy-milter", 8893: "opendmarc"}
_FILTER_PORTS = {10024: "amavis", 10026: "amavis", 10027: "dkimproxy", 10028: "dkimproxy"}
_PROXIES = ("docker-proxy", "rootlessport", "slirp4netns", "pasta", "conmon")
"""Programs that listen at the ports of containers."""


@dataclass(frozen=True, slots=True)
class OtherSigner:
    """A program that Postfix passes mail to and that may sign it."""

    program: str
    """Its name, such as `rspamd`; `a milter` when it is not known."""
    place: str
    """Where it runs: empty for this host, else `in a container` or `on HOST`."""
    setting: str
    """The setting of Postfix that names it."""
    value: str
    """As Postfix names it."""
    socket: MilterSocket | None
    """None for a content filter whose socket is not known."""

    @property
    def is_supported(self) -> bool:
        """Return True for a program on this host that dkimctl can configure and ask."""
        return self.program in SIGNERS and not self.place

    @property
    def title(self) -> str:
        """The name and place, such as `rspamd in a container (smtpd_milters: inet:127.0.0.1:11332)`."""
        return f"{self.program}{' ' if self.place else ''}{self.place} ({self.setting}: {self.value})"

    @property
    def proof(self) -> str:
        """The command that shows whether it signs: the selftest, which asks milters only, or a mail."""
        if self.setting in MILTERS:
            return "dkimctl selftest DOMAIN --via smtp"
        return "dkimctl selftest DOMAIN --to YOU --relay 127.0.0.1"


def other_signers(world: World) -> tuple[OtherSigner, ...]:
    """Return the programs other than the opendkim of this host that may sign mail of this Postfix, each once."""
    found: dict[str, OtherSigner] = {}
    for instance in world.postfix:
        for setting, value in _named(instance):
            if value not in found and (signer := _recognised(world, instance, setting, value)):
                found[value] = signer
    return tuple(found.values())


def signers_instead(world: World) -> tuple[OtherSigner, ...]:
    """Return the other signers where the opendkim of this host is told to sign nothing; none where it signs."""
    settings = ("KeyTable", "SigningTable", "KeyFile", "SetupPolicyScript")
    return () if any(map(world.opendkim.find, settings)) else other_signers(world)


def _named(instance: PostfixInstance) -> Iterator[tuple[str, str]]:
    """Yield each milter and filter with the setting that names it, those of single services included."""
    levels = (instance.values, *(service.overrides for service in instance.services))
    for values in levels:
        for setting in MILTERS:
            yield from ((setting, milter) for milter in split_milters(values.get(setting, "")) if "$" not in milter)
        for setting in FILTERS:
            if values.get(setting):
                yield setting, values[setting]


def _recognised(world: World, instance: PostfixInstance, setting: str, value: str) -> OtherSigner | None:
    is_milter = setting in MILTERS
    socket = milter_socket(value if is_milter else f"inet:{filter_address(value)}", instance.queue)
    is_near = socket is None or socket.is_unix or socket.endpoint[0] == "localhost"
    process = listener(socket) if world.is_live and socket and is_near else None
    if is_milter and socket and _is_own_opendkim(world, socket, process):
        return None
    program = _program(value, socket, process, is_milter=is_milter)
    if not program:
        return None
    place = _place(socket, process, is_near=is_near)
    if program == OPENDKIM and not place:
        if not world.is_live or (process is None and find_program("opendkim")):
            return None  # this host's, under another spelling or not started yet
        place = "" if process else "in a container or on another host"
    return OtherSigner(program, place, setting, value, socket)


def filter_address(value: str) -> str:
    """Return HOST:PORT of `TRANSPORT:[HOST]:PORT` or `HOST:PORT`; empty for anything else."""
    host, _, port = value.rpartition(":")
    host = host.rpartition(":")[2] if "[" not in host else host.partition("[")[2].rstrip("]")
    return f"{host or 'localhost'}:{port}" if port.isdigit() else ""


def _is_own_opendkim(world: World, socket: MilterSocket, process: Process | None) -> bool:
    """Return True for the opendkim of this host: by its process, else by the socket that it is configured with."""
    if process is not None:
        return process.is_local_opendkim
    own = effective_socket(world.opendkim)
    is_installed = not world.is_live or find_program("opendkim") is not None
    return own is not None and own.endpoint == socket.endpoint and is_installed


def _program(value: str, socket: MilterSocket | None, process: Process | None, *, is_milter: bool) -> str:
    """Return the program's name when it may sign; empty when it does not, or nothing says that it does."""
    is_proxy = process is not None and process.name in _PROXIES
    if process is not None and not is_proxy:
        return next((name for name in _SIGNERS if name in " ".join((process.name, *process.arguments[:2]))), "")
    if any(name in value for name in _OTHERS):
        return ""
    by_name = next((name for name in _SIGNERS if name in value), "")
    by_port = (_PORTS if is_milter else _FILTER_PORTS).get(socket.port, "") if socket else ""
    known = by_name or by_port
    if known in _OTHERS:
        return ""
    is_far = socket is not None and not socket.is_unix and socket.endpoint[0] != "localhost"
    return known or ("a milter" if is_milter and (is_far or is_proxy) else "")


def _place(socket: MilterSocket | None, process: Process | None, *, is_near: bool) -> str:
    if process is not None and (not process.is_here or process.name in _PROXIES):
        return "in a container"
    return "" if is_near or socket is None else f"on {socket.host}"
