"""Extra queries when a result looks wrong: misspelled names, wildcards, serials, the zone above, lame servers."""

import os
from dataclasses import replace
from typing import NamedTuple

from dkimctl.catalogue import presence
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.message import Message, Rcode, StartOfAuthority, Type
from dkimctl.dns.questions import Question, Reply, ask
from dkimctl.dns.resolve import Resolution, Zone
from dkimctl.dns.txt import texts_of
from dkimctl.findings import Entry
from dkimctl.names import DOMAINKEY, MAXIMUM_NAME
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.verify.lookup.answers import server_answer
from dkimctl.verify.report import ServerAnswer

_PARENTS_ASKED = 3
_MOST_SERVERS = 8


class MisplacedRecord(NamedTuple):
    """A key record at another name than the right one."""

    entry: Entry
    name: str
    text: str


def misspellings(selector: str, domain: str, zone: str) -> list[tuple[Entry, str]]:
    """The names at which such a record is most often put by mistake, with the finding for each."""
    right = f"{selector}.{DOMAINKEY}.{domain}"
    names = [
        (presence.DOUBLED_ZONE, f"{right}.{zone}"),
        (presence.DOUBLED_ZONE, f"{right}.{domain}"),
        (presence.NO_UNDERSCORE, f"{selector}.domainkey.{domain}"),
        (presence.NO_UNDERSCORE, f"{selector}._domainkeys.{domain}"),
        (presence.NO_UNDERSCORE, f"{selector}._domain.{domain}"),
        (presence.NO_UNDERSCORE, f"{selector}-{DOMAINKEY}.{domain}"),
        (presence.SWAPPED, f"{DOMAINKEY}.{selector}.{domain}"),
        (presence.SWAPPED, f"{DOMAINKEY}.{domain}"),
        (presence.SWAPPED, f"{selector}.{domain}"),
        (presence.SWAPPED, f"{domain}.{DOMAINKEY}.{selector}.{zone}"),
    ]
    if domain != zone:
        names.append((presence.OTHER_DOMAIN, f"{selector}.{DOMAINKEY}.{zone}"))
    unique = {name: entry for entry, name in reversed(names) if len(name) <= MAXIMUM_NAME and name != right}
    return [(entry, name) for name, entry in unique.items()]


async def find_misplaced(
    selector: str, domain: str, zone: Zone, answers: tuple[ServerAnswer, ...]
) -> list[MisplacedRecord]:
    """Key records at misspelled names; those of a wildcard do not count."""
    endpoint = _reachable(zone, answers)
    if endpoint is None:
        return []
    spelled = misspellings(selector, domain, zone.name)
    random_name = f"{os.urandom(8).hex()}.{domain}"
    names = [*(name for _, name in spelled), random_name]
    *replies, wild = await ask(*(Question(endpoint, name, Type.TXT) for name in names))
    ignored = set(_texts(wild))
    found = []
    for (entry, name), reply in zip(spelled, replies, strict=True):
        keys = [text for text in _texts(reply) if isinstance(parse_record(text), KeyRecord) and text not in ignored]
        found += [MisplacedRecord(entry, name, text) for text in keys[:1]]
    return found


async def is_wildcard(name: str, zone: Zone, answers: tuple[ServerAnswer, ...]) -> bool:
    """Return whether a neighbouring name that nobody can have published has the same texts, or the same CNAME."""
    endpoint = _reachable(zone, answers)
    if endpoint is None:
        return False
    random_name = f"{os.urandom(8).hex()}.{name.partition('.')[2]}"
    [reply] = await ask(Question(endpoint, random_name, Type.TXT))
    there = server_answer(random_name, "", "", reply, authoritative=True)
    return bool(there.content) and any(answer.content == there.content for answer in answers)


def _reachable(zone: Zone, answers: tuple[ServerAnswer, ...]) -> Endpoint | None:
    told = {answer.address for answer in answers if answer.has_answered}
    return next((e for server in zone.servers for e in server.endpoints if str(e) in told), None)


def _texts(reply: Reply) -> list[str]:
    if not isinstance(reply, Message):
        return []
    return [text.decode("latin-1") for _, text in texts_of(reply.answers)]


async def with_serials(zone: Zone, answers: tuple[ServerAnswer, ...]) -> tuple[ServerAnswer, ...]:
    """The answers with the zone's serial at each server that gave one."""
    endpoints = {str(e): e for server in zone.servers for e in server.endpoints}
    asked = [answer.address for answer in answers if answer.has_answered]
    replies = await ask(*(Question(endpoints[address], zone.name, Type.SOA) for address in asked))
    serials = {address: _serial(reply, zone.name) for address, reply in zip(asked, replies, strict=True)}
    return tuple(replace(answer, serial=serials.get(answer.address)) for answer in answers)


def _serial(reply: Reply, zone: str) -> int | None:
    records = reply.answers if isinstance(reply, Message) and reply.authoritative else ()
    return next((r.data.serial for r in records if isinstance(r.data, StartOfAuthority) and r.name == zone), None)


async def delegation(zone: Zone, resolution: Resolution) -> tuple[str, ...] | None:
    """The servers that the zone above names for this one, sorted; None when it could not be asked."""
    above = await resolution.zone_of(zone.name.partition(".")[2])
    if not isinstance(above, Zone):
        return None
    endpoints = [e for server in above.servers for e in server.endpoints][:_PARENTS_ASKED]
    replies = await ask(*(Question(endpoint, zone.name, Type.NS) for endpoint in endpoints))
    for reply in replies:
        records = (*reply.authority, *reply.answers) if isinstance(reply, Message) else ()
        names = {str(r.data) for r in records if r.type == Type.NS and r.name == zone.name}
        if names:
            return tuple(sorted(names))
    return None


async def ask_delegated(name: str, resolution: Resolution) -> tuple[str, tuple[ServerAnswer, ...]]:
    """Return the zone that holds `name` and what each server says that the zone above delegates it to.

    Both are empty when the zone above cannot be asked, or delegates nothing there.
    """
    above = await _zone_above(name, resolution)
    if above is None:
        return "", ()
    endpoints = [endpoint for server in above.servers for endpoint in server.endpoints][:_PARENTS_ASKED]
    for reply in await ask(*(Question(endpoint, name, Type.NS) for endpoint in endpoints)):
        if not isinstance(reply, Message):
            continue
        records = [r for r in (*reply.authority, *reply.answers) if r.type == Type.NS and _is_below(r.name, above.name)]
        if records:
            return records[0].name, await _ask_each(records[0].name, await _servers(reply, resolution))
    return "", ()


async def _zone_above(name: str, resolution: Resolution) -> Zone | None:
    """Return the nearest zone above that the resolvers know; all names are asked at once: delays do not add up."""
    labels = name.split(".")
    names = [".".join(labels[at:]) for at in range(1, len(labels))]
    replies = await ask(*(Question(resolution.preferred, one, Type.SOA, recursive=True) for one in names))
    for above, reply in zip(names, replies, strict=True):
        if isinstance(reply, Message) and reply.rcode == Rcode.NOERROR:
            zone = await resolution.zone_of(above)
            return zone if isinstance(zone, Zone) else None
    return None


def _is_below(name: str, zone: str) -> bool:
    return name.endswith(f".{zone}") if zone else bool(name)


async def _servers(referral: Message, resolution: Resolution) -> list[tuple[str, Endpoint]]:
    """The servers in a referral with their addresses: from the referral itself, or else from the resolvers."""
    names = sorted({str(r.data) for r in (*referral.authority, *referral.answers) if r.type == Type.NS})
    found = []
    for name in names[:_MOST_SERVERS]:
        glue = resolution.endpoints(str(r.data) for r in referral.glue if r.name == name)
        found += [(name, endpoint) for endpoint in glue or await resolution.addresses_of(name)]
    return found


async def _ask_each(zone: str, servers: list[tuple[str, Endpoint]]) -> tuple[ServerAnswer, ...]:
    replies = await ask(*(Question(endpoint, zone, Type.SOA) for _, endpoint in servers))
    return tuple(
        server_answer(zone, server, str(endpoint), reply, authoritative=True)
        for (server, endpoint), reply in zip(servers, replies, strict=True)
    )
