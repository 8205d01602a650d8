"""The other milters and content filters: one at which nothing listens keeps mail back."""

from collections.abc import Iterator
from dataclasses import replace

from dkimctl.catalogue import machine as c
from dkimctl.doctor.base import Diagnosis, diagnosis, with_severity
from dkimctl.errors import Unavailable, shell_word
from dkimctl.findings import Severity
from dkimctl.host.othersigners import FILTERS, MILTERS, filter_address, signers_instead
from dkimctl.host.postfix import PostfixInstance
from dkimctl.host.socketplace import leads_to
from dkimctl.host.world import World
from dkimctl.milter.client import greet
from dkimctl.milter.wire import NothingListens, connect
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.signers.registry import signer_of

_NOBODY = replace(
    c.NOT_RUNNING,
    title="nothing listens at the socket of another milter",
    meaning="Postfix queries it for every message: mail is deferred, or bypasses it with default_action = accept.",
)
_NO_FILTER = replace(
    c.NOT_RUNNING,
    title="nothing listens at the content filter",
    meaning="Postfix passes every message of this service to it: mail is deferred until it answers.",
)
_PATIENCE = 2.0  # seconds for a program of this machine to accept a connection


def check_other_milters(world: World) -> Iterator[Diagnosis]:
    """Check that a program answers at each milter of this machine that is not the daemon."""
    if not world.is_live:
        return
    instead = {other.value for other in signers_instead(world)}
    own = None if instead else signer_of(world.settings).listens_at(world.settings)
    for instance in world.postfix:
        for milter in dict.fromkeys(m for name in MILTERS for m in split_milters(instance.values[name])):
            socket = milter_socket(milter, instance.queue)
            if socket is None or not _is_here(socket) or _is_daemon(milter, own, instance):
                continue
            problem = _problem(socket, instance)
            if problem:
                place = socket.path or f":{socket.port}"
                fix = f"ss -lnp | grep -F {shell_word(place)}  # start the program that should listen there"
                found = diagnosis(_NOBODY, milter, f"{instance.directory}/main.cf: {milter}: {problem}", fix)
                is_harmless = milter not in instead and "accept" in (_own_action(milter) or _usual_action(instance))
                yield with_severity(found, Severity.WARNING) if is_harmless else found


def check_content_filters(world: World) -> Iterator[Diagnosis]:
    """Check that a program listens at each content filter of this machine."""
    for instance in world.postfix if world.is_live else ():
        levels = {"main.cf": instance.values, **{f"{s.place} in master.cf": s.overrides for s in instance.services}}
        filters = {
            values[name]: (place, name) for place, values in levels.items() for name in FILTERS if values.get(name)
        }
        for value, (place, name) in filters.items():
            socket = milter_socket(f"inet:{filter_address(value)}", instance.queue)
            if socket is not None and _is_here(socket) and _is_refused(socket):
                fix = f"ss -lnp | grep -F :{shell_word(str(socket.port))}  # start the program that should listen there"
                yield diagnosis(_NO_FILTER, value, f"{instance.directory}: {place}: {name} = {value}", fix)


def _is_refused(socket: MilterSocket) -> bool:
    """Return False as well where that cannot be seen."""
    host = "127.0.0.1" if socket.host == "localhost" else socket.host
    try:
        with connect(replace(socket, host=host), _PATIENCE):
            return False
    except NothingListens as error:
        return isinstance(error.__cause__, ConnectionRefusedError)


def _is_here(socket: MilterSocket) -> bool:
    return socket.is_unix or socket.endpoint[0] == "localhost"


def _is_daemon(milter: str, own: MilterSocket | None, instance: PostfixInstance) -> bool:
    """Return whether this is the daemon, under a wrong name perhaps: other checks say what is wrong with it."""
    if own is None:
        return False
    return leads_to(milter, own, instance.queue) or names_opendkim(milter, instance.queue, (own,))


def _problem(socket: MilterSocket, instance: PostfixInstance) -> str:
    """Return why nothing answers; empty when something does, or when that cannot be seen."""
    problem = ""
    # a chrooted service finds an absolute path below the queue directory
    below = [MilterSocket(path=instance.queue + socket.path)] if socket.is_unix else []
    for place in (socket, *below):
        try:
            greet(place)
            return ""
        except NothingListens as error:
            if isinstance(error.__cause__, PermissionError):
                return ""
            problem = problem or error.message
        except Unavailable:
            return ""
    return problem


def _own_action(milter: str) -> str:
    return milter.partition("default_action")[2]


def _usual_action(instance: PostfixInstance) -> str:
    return instance.values["milter_default_action"]
