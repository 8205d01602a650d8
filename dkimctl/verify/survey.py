"""One target looked up everywhere: its zone, each server by each address, CNAMEs to their end, the resolvers."""

from dataclasses import dataclass, field

from dkimctl.dns.message import Message, Rcode, Type
from dkimctl.dns.questions import Failure, Question, Reply, Trouble, ask
from dkimctl.dns.resolve import NameServer, NoZone, Resolution, Zone, explained
from dkimctl.dns.txt import texts_of
from dkimctl.names import DOMAINKEY
from dkimctl.verify.report import ServerAnswer, State

MOST_ALIASES = 10  # resolvers follow about as many: unbound 11, BIND 16 restarts


@dataclass(slots=True)
class Survey:
    """What was found out about one target, step by step along its CNAMEs."""

    owner: str
    zone: str = ""
    answers: list[ServerAnswer] = field(default_factory=list)
    last: tuple[ServerAnswer, ...] = ()
    """The answers at the chain's end."""
    aliases: list[str] = field(default_factory=list)
    """The owner name and every name a CNAME led to."""
    no_zone: str = ""
    """Why no zone could be found, for the last name."""
    is_endless: bool = False
    not_delegated: str = ""
    """The zone above, when the domain is in none of its own nor in one below a top-level domain."""
    resolvers: tuple[ServerAnswer, ...] = ()


async def survey(selector: str, domain: str, owner: str, resolution: Resolution, *, recursive: bool) -> Survey:
    """Ask for the key record wherever it should be. Ends also when nothing answers."""
    found = Survey(owner, aliases=[owner])
    name, zone = owner, await resolution.zone_of(f"{DOMAINKEY}.{domain}")
    while await _step(found, name, zone, resolution):
        name = found.aliases[-1]
        zone = await resolution.zone_of(name)
    if recursive:
        found.resolvers = await _ask_resolvers(owner, resolution)
    return found


async def _step(found: Survey, name: str, zone: Zone | NoZone, resolution: Resolution) -> bool:
    """Ask every server of the zone for `name`; True when a CNAME leads on to a new name."""
    found.last = ()
    if isinstance(zone, NoZone):
        found.no_zone = zone.why
        return False
    if "." not in zone.name and "." in name:
        found.not_delegated = zone.name or "the root"
        return False
    answers = await _ask_servers(name, zone)
    if any(answer.state is State.LAME and answer.why == _REFERRAL for answer in answers):
        # a delegation between the zone found and the name: the selector is a zone of its own
        below = await resolution.zone_of(name)
        if isinstance(below, Zone) and below.name != zone.name:
            zone, answers = below, await _ask_servers(name, below)
    found.zone = found.zone or zone.name
    found.answers += answers
    found.last = answers
    contents = {answer.content for answer in answers if answer.has_answered}
    aliases = {answer.alias for answer in answers if answer.alias}
    if len(contents) != 1 or not aliases:
        return False
    target = aliases.pop()
    found.is_endless = target in found.aliases or len(found.aliases) > MOST_ALIASES
    found.aliases.append(target)
    return not found.is_endless


async def _ask_servers(name: str, zone: Zone) -> tuple[ServerAnswer, ...]:
    asked = [(server, endpoint) for server in zone.servers for endpoint in server.endpoints]
    replies = await ask(*(Question(endpoint, name, Type.TXT) for _, endpoint in asked))
    answers = [
        server_answer(name, server.name, str(endpoint), reply, authoritative=True)
        for (server, endpoint), reply in zip(asked, replies, strict=True)
    ]
    return (*answers, *(_nowhere(name, server) for server in zone.servers if not server.endpoints))


def _nowhere(name: str, server: NameServer) -> ServerAnswer:
    return ServerAnswer(name, server.name, "", State.SILENT, why="its name has no address")


async def _ask_resolvers(owner: str, resolution: Resolution) -> tuple[ServerAnswer, ...]:
    replies = await ask(*(Question(e, owner, Type.TXT, recursive=True) for e in resolution.resolvers))
    return tuple(
        server_answer(owner, str(endpoint), str(endpoint), reply, authoritative=False)
        for endpoint, reply in zip(resolution.resolvers, replies, strict=True)
    )


_REFERRAL = "it refers to other servers"


def server_answer(name: str, server: str, address: str, reply: Reply, *, authoritative: bool) -> ServerAnswer:
    """A reply in the terms of a report. From an authoritative server only what it says about this very name counts."""
    if isinstance(reply, Failure):
        state = State.NOT_ASKED if reply.trouble is Trouble.NO_ROUTE else State.SILENT
        return ServerAnswer(name, server, address, state, why=str(reply))
    why = _lameness(reply, authoritative)
    own = tuple(r for r in reply.answers if r.name == name or not authoritative)
    texts = texts_of(own)
    aliases = [r for r in own if r.type == Type.CNAME and r.name == name]
    if why:
        state = State.LAME
    elif authoritative and aliases:
        state, texts = State.ALIAS, []
    elif texts:
        state = State.TEXT
    else:
        state = State.NO_NAME if reply.rcode == Rcode.NXDOMAIN else State.NO_TEXT
    has_content = state in (State.TEXT, State.ALIAS)
    return ServerAnswer(
        name=name,
        server=server,
        address=address,
        state=state,
        texts=tuple(text.decode("latin-1") for _, text in texts) if has_content else (),
        alias=str(aliases[0].data) if state is State.ALIAS else "",
        ttl=min((r.ttl for r in own), default=None) if has_content else None,
        why=why,
        over_tcp=reply.over_tcp,
        milliseconds=round(reply.seconds * 1000, 1),
    )


def _lameness(reply: Message, authoritative: bool) -> str:
    if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return f"it answers {reply.rcode_name}{explained(reply)}"
    if authoritative and not reply.authoritative:
        is_referral = not reply.answers and any(r.type == Type.NS for r in reply.authority)
        return _REFERRAL if is_referral else "its answer is not authoritative"
    return ""
