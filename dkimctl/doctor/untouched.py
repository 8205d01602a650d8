"""A host that was never set up: one finding says how to begin, instead of each thing that is missing."""

from collections.abc import Iterable

from dkimctl.catalogue import conf as c
from dkimctl.catalogue.machine import UNREAD
from dkimctl.doctor.base import Diagnosis, diagnosis
from dkimctl.doctor.commands import chain, dkimctl
from dkimctl.errors import DkimctlError, is_denied, shell_word
from dkimctl.files import read_file
from dkimctl.host.othersigners import MILTERS, other_signers
from dkimctl.host.world import World
from dkimctl.keys.directory import KeyDirectory
from dkimctl.keys.store import awaits_proof
from dkimctl.postfix.milters import names_opendkim, split_milters
from dkimctl.programs import find_program
from dkimctl.signers.opendkim.conffile import belongs_to_person
from dkimctl.signers.registry import signer_of

_SIGNING = ("KeyTable", "SigningTable", "Domain", "KeyFile", "Selector", "SetupPolicyScript")
_SHOWN = 3


def untouched(world: World) -> Diagnosis | None:
    """Return the one finding for a host on which opendkim and Postfix are as their packages install them.

    None where anything signs or is configured by a person: the other checks say more then.
    """
    if not _is_as_installed(world):
        return None
    try:
        waiting = _unproven_domains(world)
    except DkimctlError as error:
        return diagnosis(UNREAD, world.settings.paths.keys, error.message) if is_denied(error) else None
    if waiting is None:
        return None
    conf = world.settings.paths.opendkim_conf
    seen = f"{conf} names no key, and Postfix no milter" if world.opendkim.conf else f"there is no {conf}"
    if waiting:
        seen += f"; DNS has not been seen to serve the key of {waiting[0]} yet"
    install = ""
    if world.is_live and find_program("opendkim") is None:
        seen, install = f"{seen}; opendkim is not installed", "sudo apt-get install opendkim"
    return diagnosis(
        c.NOTHING_SIGNS, "this host", seen, chain(install, f"sudo {dkimctl(world, _setup(world, waiting))}")
    )


def configure(world: World) -> str:
    """Return the command after which opendkim signs: `render-config` needs a proven key, and `setup` makes one."""
    try:
        names = _unproven_domains(world)
    except DkimctlError:
        names = None
    return (
        dkimctl(world, "render-config --install") if names is None else f"sudo {dkimctl(world, _setup(world, names))}"
    )


def _setup(world: World, waiting: list[str]) -> str:
    if world.settings.fleet:
        return "fleet sync"  # a relay gets its keys from its fleet, and says there what it still lacks
    return f"setup {' '.join(map(shell_word, waiting[:_SHOWN])) or 'DOMAIN'}"


def _is_as_installed(world: World) -> bool:
    if world.unread or not signer_of(world.settings).explains or any(map(world.opendkim.find, _SIGNING)):
        return False
    if not world.opendkim.signs or world.opendkim.conf_path != world.settings.paths.opendkim_conf:
        return False
    if belongs_to_person(world.settings, read_file(world.at(world.opendkim.conf_path))) or other_signers(world):
        return False
    return not any(names_opendkim(milter, queue, ()) for queue, milter in _milters(world))


def _milters(world: World) -> Iterable[tuple[str, str]]:
    for instance in world.postfix:
        for values in (instance.values, *(service.overrides for service in instance.services)):
            for name in MILTERS:
                yield from ((instance.queue, milter) for milter in split_milters(values.get(name, "")))


def _unproven_domains(world: World) -> list[str] | None:
    """Return the domains whose keys wait for their proof; None when one does not. Raises DkimctlError."""
    settings, waiting = world.settings, []
    store = KeyDirectory(settings.key_directory, shown=settings.paths.keys)
    for domain in store.domains():
        if not all(map(awaits_proof, store.keys(domain))):
            return None
        waiting.append(domain)
    return waiting
