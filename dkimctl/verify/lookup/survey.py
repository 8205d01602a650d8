"""One target looked up everywhere: its zone, each server by each address, CNAMEs to their end, the resolvers."""

from dataclasses import dataclass, field

from dkimctl.dns.codec import why_not_a_name
from dkimctl.dns.message import Message, Type
from dkimctl.dns.questions import Trouble
from dkimctl.dns.resolve import NoZone, Resolution, Security, Zone
from dkimctl.names import DOMAINKEY
from dkimctl.record.model import KeyRecord
from dkimctl.record.parse import parse_record
from dkimctl.verify.lookup.answers import REFERRAL, ROOT, ask_resolvers, ask_servers, server_answer
from dkimctl.verify.lookup.followup import (
    MisplacedRecord,
    ask_delegated,
    delegation,
    find_misplaced,
    is_wildcard,
    with_serials,
)
from dkimctl.verify.report import AnswerState, ServerAnswer, Target

_CAME_BACK = (Trouble.MALFORMED, Trouble.STREAM_STALLED)
MOST_ALIASES = 10  # resolvers follow about as many: unbound 11, BIND 16 restarts


@dataclass(slots=True)
class Survey:
    """The answers about one target, step by step along its CNAMEs."""

    owner: str
    zones: list[Zone] = field(default_factory=list)
    answers: list[ServerAnswer] = field(default_factory=list)
    last: tuple[ServerAnswer, ...] = ()
    """The answers at the chain's end."""
    aliases: list[str] = field(default_factory=list)
    """The owner name and every name a CNAME led to."""
    not_a_name: str = ""
    """Why the owner name is not possible in DNS."""
    no_zone: str = ""
    """Why no zone could be found, for the last name."""
    is_endless: bool = False
    not_delegated: str = ""
    """The zone above, when the domain is in none of its own nor in one below a top-level domain."""
    resolvers: tuple[ServerAnswer, ...] = ()
    resolvers_are_chosen: bool = False
    """True when the user named these resolvers, and more than one."""
    elsewhere: list[MisplacedRecord] = field(default_factory=list)
    wildcards: list[str] = field(default_factory=list)
    """The names on the way, of `aliases`, that only a wildcard answers for."""
    lame_zone: str = ""
    """Where no zone could be found: the one that is delegated, as the zone above says."""
    delegated: tuple[ServerAnswer, ...] = ()
    """What the servers say to which it is delegated."""
    bogus: str = ""
    """What the resolver says of the record itself where only its own signature is broken."""
    unproven: str = ""
    """Why no resolver could be asked about that signature."""
    at_delegate: tuple[ServerAnswer, ...] = ()
    """Of a delegated name that does not lead where it should: the answers at that place."""
    delegated_to: tuple[str, ...] | None = None
    """The servers that the zone above names; None when it was not asked or did not say."""

    @property
    def security(self) -> Security:
        """The weakest of all zones on the way."""
        if self.bogus:
            return Security.BOGUS
        states = {zone.security for zone in self.zones}
        if len(states) == 1:
            return states.pop()
        order = (Security.BOGUS, Security.INSECURE, Security.UNKNOWN, Security.SECURE)
        return min(states, key=order.index, default=Security.UNKNOWN)

    @property
    def is_walled(self) -> bool:
        """Return whether no authoritative server can be reached from here, and a resolver can reach them."""
        reached = not self.answers or any(not _is_unreached(answer) for answer in self.answers)
        return not reached and any(answer.has_answered for answer in self.resolvers)


async def survey(target: Target, resolution: Resolution, *, recursive: bool, thorough: bool) -> Survey:
    """Ask for the key record wherever it should be, with extra queries where something looks wrong. Always ends.

    `thorough`: the extra queries in any case.
    """
    found = Survey(target.owner, aliases=[target.owner], resolvers_are_chosen=resolution.are_chosen)
    found.not_a_name = why_not_a_name(target.owner)
    if found.not_a_name:
        return found
    zone = await resolution.zone_of(f"{DOMAINKEY}.{target.domain}")
    while await _step(found, zone, resolution):
        zone = await resolution.zone_of(found.aliases[-1])
    if found.zones:
        await _follow_up(found, target, resolution, thorough)
    if target.alias and target.alias not in found.aliases:
        there = await resolution.zone_of(target.alias)
        found.at_delegate = await ask_servers(target.alias, there) if isinstance(there, Zone) else ()
    if recursive or _is_out_of_reach(found):
        found.resolvers = await ask_resolvers(target.owner, resolution)
    return found


def _is_out_of_reach(found: Survey) -> bool:
    """Return whether every address of the zone's servers is silent: perhaps a firewall lets only the resolvers out."""
    return bool(found.last) and all(map(_is_unreached, found.last))


def _is_unreached(answer: ServerAnswer) -> bool:
    """Return whether nothing at all came back, not even a reply that cannot be used."""
    return answer.state in (AnswerState.SILENT, AnswerState.NOT_ASKED) and answer.why not in _CAME_BACK


async def _step(found: Survey, zone: Zone | NoZone, resolution: Resolution) -> bool:
    """Ask every server of the zone for the last name; True when a CNAME leads on to a new one."""
    name = found.aliases[-1]
    found.last = ()
    if isinstance(zone, NoZone):
        found.no_zone = zone.why
        if zone.is_failing:
            found.lame_zone, found.delegated = await ask_delegated(name, resolution)
        return False
    if "." not in zone.name and "." in name:
        found.not_delegated = zone.name or "the root"
        return False
    answers = await ask_servers(name, zone)
    if any(answer.state is AnswerState.LAME and answer.why == REFERRAL for answer in answers):
        # a delegation between the zone found and the name: the selector is a zone of its own
        below = await resolution.zone_of(name)
        if isinstance(below, Zone) and below.name != zone.name:
            zone, answers = below, await ask_servers(name, below)
    found.zones.append(zone)
    found.answers += answers
    found.last = answers
    contents = {answer.content for answer in answers if answer.has_answered}
    aliases = {answer.alias for answer in answers if answer.alias}
    if len(contents) != 1 or not aliases:
        return False
    target = aliases.pop()
    found.is_endless = target in found.aliases or len(found.aliases) > MOST_ALIASES
    found.aliases.append(target)
    return not found.is_endless and target != ROOT


async def _follow_up(found: Survey, target: Target, resolution: Resolution, thorough: bool) -> None:
    zone = found.zones[-1]
    told = [answer for answer in found.last if answer.has_answered]
    contents = {answer.content for answer in told}
    texts = {text for answer in told for text in answer.texts}
    if contents == {()} and len(found.aliases) == 1:
        found.elsewhere = await find_misplaced(target.selector, target.domain, zone, found.last)
    has_content = bool(texts) or len(found.aliases) > 1
    if has_content and (thorough or not texts or not all(_is_record(text, target) for text in texts)):
        found.wildcards = await _find_wildcards(found)
    if thorough or len(contents) > 1:
        count = len(found.last)
        found.last = await with_serials(zone, found.last)
        found.answers[len(found.answers) - count :] = found.last
    if len(texts) == 1 == len(contents) and found.security is Security.SECURE and _is_expected(texts.pop(), target):
        # never of another record: the resolver would go on to hold it after it has been replaced
        reply = await resolution.ask_any(found.owner, Type.TXT)
        found.bogus = reply.bogus if isinstance(reply, Message) else ""
        found.unproven = server_answer(found.owner, "", "", reply, authoritative=False).why
    if thorough:
        found.delegated_to = await delegation(found.zones[0], resolution)


async def _find_wildcards(found: Survey) -> list[str]:
    wildcards = []
    for name, zone in zip(found.aliases, found.zones, strict=False):
        answers = tuple(answer for answer in found.answers if answer.name == name)
        if await is_wildcard(name, zone, answers):
            wildcards.append(name)
    return wildcards


def _is_expected(text: str, target: Target) -> bool:
    return target.expected is None or text.endswith(target.expected.base64)


def _is_record(text: str, target: Target) -> bool:
    """Return True for any key record; the expected key is proof enough, and found faster."""
    if target.expected is not None and _is_expected(text, target):
        return True
    return isinstance(parse_record(text), KeyRecord)
