"""opendkim was removed from this host, and Postfix still hands it every mail: what that does, and how to go on."""

from collections.abc import Iterator

from dkimctl.catalogue import machine as c
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.errors import Unavailable
from dkimctl.host.othersigners import MILTERS
from dkimctl.host.postfix import PostfixInstance
from dkimctl.host.world import World
from dkimctl.milter.client import greet
from dkimctl.milter.wire import NothingListens
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.postfix.milters import milter_socket, names_opendkim, split_milters
from dkimctl.programs import find_program
from dkimctl.signers.registry import signer_of

_EFFECT = {
    "accept": "mail leaves unsigned",
    "reject": "all mail is rejected",
    "quarantine": "all mail is held in the queue",
    "shutdown": "every session is closed, and no mail is accepted",
}
_FIX = "apt-get install opendkim && dkimctl render-config --install  # to stop using it: dkimctl uninstall"
_WAITS = "no mail is accepted: clients get 4.7.1, and mail from sendmail(1) waits"


def removed_daemon(world: World) -> Diagnosis | None:
    """Return the one finding for a host without opendkim whose Postfix asks it where nothing listens, else None."""
    if not world.is_live or not signer_of(world.settings).explains or find_program("opendkim"):
        return None
    for instance in world.postfix:
        for name, milter, socket in _milters(instance):
            if _is_silent(socket):
                action = instance.values["milter_default_action"]
                effect = f"milter_default_action = {action}: {_EFFECT.get(action, _WAITS)}"
                seen = f"Postfix connects to it at {milter} ({name}), where nothing listens; {effect}"
                return diagnosis(c.NOT_INSTALLED, "opendkim", seen, _FIX)
    return None


def _milters(instance: PostfixInstance) -> Iterator[tuple[str, str, MilterSocket]]:
    for name in MILTERS:
        for milter in split_milters(instance.values[name]):
            socket = milter_socket(milter, instance.queue)
            if socket is not None and names_opendkim(milter, instance.queue, ()):
                yield name, milter, socket


def _is_silent(socket: MilterSocket) -> bool:
    """Return whether nothing listens there; False where this user may not look."""
    try:
        greet(socket)
    except NothingListens as error:
        return not isinstance(error.__cause__, PermissionError)
    except Unavailable:
        return False
    return False
