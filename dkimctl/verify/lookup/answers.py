"""A server's reply in the terms of a report."""

from dkimctl.dns.extended_errors import in_words
from dkimctl.dns.message import Message, Rcode, Type
from dkimctl.dns.questions import Failure, Question, Reply, Trouble, ask
from dkimctl.dns.resolve import NameServer, Resolution, Zone
from dkimctl.dns.txt import texts_of
from dkimctl.verify.report import AnswerState, ServerAnswer

ROOT = "."
REFERRAL = "it refers to other servers"


async def ask_servers(name: str, zone: Zone) -> tuple[ServerAnswer, ...]:
    """Return the answer of every address of every server of the zone about the TXT records at `name`."""
    asked = [(server, endpoint) for server in zone.servers for endpoint in server.endpoints]
    replies = await ask(*(Question(endpoint, name, Type.TXT) for _, endpoint in asked))
    answers = [
        server_answer(name, server.name, str(endpoint), reply, authoritative=True)
        for (server, endpoint), reply in zip(asked, replies, strict=True)
    ]
    return (*answers, *(nowhere(name, server) for server in zone.servers if not server.endpoints))


def nowhere(name: str, server: NameServer) -> ServerAnswer:
    """Return the entry for a server whose name has no address."""
    return ServerAnswer(name, server.name, "", AnswerState.SILENT, why="its name has no address")


async def ask_resolvers(owner: str, resolution: Resolution) -> tuple[ServerAnswer, ...]:
    """Return each resolver's answer about the TXT records at the end of `owner`'s CNAMEs."""
    replies = await ask(*(Question(e, owner, Type.TXT, recursive=True) for e in resolution.resolvers))
    return tuple(
        server_answer(owner, str(endpoint), str(endpoint), reply, authoritative=False)
        for endpoint, reply in zip(resolution.resolvers, replies, strict=True)
    )


def server_answer(name: str, server: str, address: str, reply: Reply, *, authoritative: bool) -> ServerAnswer:
    """Return the answer in one reply. Of an authoritative server only records at this very name count."""
    if isinstance(reply, Failure):
        state = AnswerState.NOT_ASKED if reply.trouble is Trouble.NO_ROUTE else AnswerState.SILENT
        state = AnswerState.NEEDS_TCP if reply.trouble is Trouble.STREAM_REFUSED else state
        return ServerAnswer(name, server, address, state, why=str(reply))
    why = _lameness(reply, authoritative)
    own = tuple(r for r in reply.answers if r.name == name or not authoritative)
    texts = texts_of(own)
    aliases = [r for r in own if r.type == Type.CNAME and r.name == name]
    dnames = [r.name for r in reply.answers if r.type == Type.DNAME and name.endswith(f".{r.name}")]
    if why:
        state = AnswerState.LAME
    elif authoritative and aliases:
        state, texts = AnswerState.ALIAS, []
    elif texts:
        state = AnswerState.TEXT
    else:
        state = AnswerState.NO_NAME if reply.rcode == Rcode.NXDOMAIN else AnswerState.NO_TEXT
    has_content = state in (AnswerState.TEXT, AnswerState.ALIAS)
    lived = own if has_content else ()
    if not authoritative and state in (AnswerState.NO_NAME, AnswerState.NO_TEXT):
        lived = tuple(r for r in reply.authority if r.type == Type.SOA)  # what is left of it: RFC 2308 §5
    return ServerAnswer(
        name=name,
        server=server,
        address=address,
        state=state,
        texts=tuple(text.decode("latin-1") for _, text in texts) if has_content else (),
        alias=(str(aliases[0].data) or ROOT) if state is AnswerState.ALIAS else "",
        ttl=min((r.ttl for r in lived), default=None),
        why=why,
        over_tcp=reply.over_tcp,
        edns=reply.edns,
        milliseconds=round(reply.seconds * 1000, 1),
        dname=dnames[0] if dnames else "",
    )


def _lameness(reply: Message, authoritative: bool) -> str:
    if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return f"it answers {reply.rcode_name}{in_words(reply.errors)}"
    if authoritative and not reply.authoritative:
        is_referral = not reply.answers and any(r.type == Type.NS for r in reply.authority)
        return REFERRAL if is_referral else "its answer is not authoritative"
    return ""
