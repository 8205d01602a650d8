"""Check that the daemon signs as the tables on disk say: probes through its socket, none of them delivered."""

from collections.abc import Iterator
from itertools import chain, islice

from dkimctl.clock import SYSTEM_CLOCK
from dkimctl.errors import Unavailable
from dkimctl.host.datasets import DataSet
from dkimctl.host.internal_hosts import HostList
from dkimctl.host.table_lookup import find_key, resolved, wanted_keys
from dkimctl.host.world import World
from dkimctl.milter.client import Client, offer
from dkimctl.milter.message import probe_message
from dkimctl.opendkim.sockets import MilterSocket
from dkimctl.record.taglist import parse_signature_tags

_MOST = 5
"""Domains probed from each end of the SigningTable: new rows are appended, or lines put in front."""

Name = tuple[str, str]
"""d= and s= of a signature."""


def signs_differently(world: World, socket: MilterSocket) -> str:
    """Return the first difference between the tables and what the daemon signs with; empty when there is none.

    Also empty where nothing can be said: no tables that can be read, loopback not internal, no answer.
    """
    keys, signing = world.data_sets.get("KeyTable"), world.data_sets.get("SigningTable")
    if not (keys and signing and keys.is_known and signing.is_known and _is_probed(world)):
        return ""
    for domain in _domains(signing):
        wanted = _wanted(keys, signing, domain)
        if wanted is None:
            continue
        try:
            made = _signed(socket, domain)
        except Unavailable:
            return ""
        if wanted not in made:
            names = ", ".join(f"d={d} s={s}" for d, s in made) or "not at all"
            return f"mail from {domain}: the tables say d={wanted[0]} s={wanted[1]}, the daemon signs {names}"
    return ""


def _is_probed(world: World) -> bool:
    internal = world.internal_hosts
    return world.opendkim.signs and internal.is_known and HostList(internal).has("127.0.0.1", "localhost")


def _domains(signing: DataSet) -> Iterator[str]:
    """Return a few domains that have a row by name, from the end and from the beginning of the table."""
    rows = [row for row in signing.rows if "*" not in row.key.removeprefix("*@")]
    ends = chain(islice(reversed(rows), _MOST), islice(rows, _MOST))
    names = (row.key.rpartition("@")[2] for row in ends if not row.key.startswith("."))
    yield from dict.fromkeys(name.lower() for name in names if name.isascii() and "." in name.strip("."))


def _wanted(keys: DataSet, signing: DataSet, domain: str) -> Name | None:
    row = next(wanted_keys(signing, f"dkimctl@{domain}", several=False), None)
    found = find_key(keys, row.name) if row else None
    entry = resolved(found, domain) if found else None
    return (entry.domain.lower(), entry.selector) if entry else None


def _signed(socket: MilterSocket, domain: str) -> set[Name]:
    now = SYSTEM_CLOCK.now()
    reply = offer(socket, probe_message(domain, now, user="dkimctl"), client=Client(), job=f"DKIMCTL{now:%H%M%S%f}")
    tags = (parse_signature_tags(value) for value in reply.signatures)
    return {(signature.get("d").lower(), signature.get("s")) for signature in tags}
