"""Findings about how DNS serves a record: could it be asked, is it there and the same everywhere, how it arrives."""

from dkimctl.catalogue import delivery, presence
from dkimctl.dns.resolve import Security
from dkimctl.findings import Entry, Finding, finding
from dkimctl.names import printable
from dkimctl.verify.lookup.answers import ROOT
from dkimctl.verify.lookup.survey import Survey
from dkimctl.verify.report import AnswerState, ServerAnswer

SHORTEST_TTL = 30  # seconds; a shorter one is a finding
LONGEST_TTL = 7 * 86400
_SHOWN = 4  # of several records: the report shows them whole


def judge_reach(found: Survey, noticed: list[Finding]) -> None:
    """Judge which servers could not be asked, and where the search ended."""
    name = found.aliases[-1]
    if found.not_a_name:
        noticed.append(finding(presence.NOT_A_NAME, name, found.not_a_name))
    if found.no_zone:
        noticed += _no_zone(found, name)
    if found.not_delegated:
        seen = f"the zone that holds {name} is {found.not_delegated}"
        noticed.append(
            finding(presence.NOT_DELEGATED if len(found.aliases) == 1 else presence.BROKEN_ALIAS, found.owner, seen)
        )
    if len(found.aliases) > 1:
        entry = presence.ENDLESS_ALIAS if found.is_endless else presence.ALIAS
        noticed.append(finding(entry, found.owner, _chain(found.aliases)))
    dnames = dict.fromkeys((answer.dname, answer.alias) for answer in found.answers if answer.dname)
    noticed += [finding(presence.DNAME, found.owner, f"at {dname}; it leads to {alias}") for dname, alias in dnames]
    noticed += [finding(delivery.BOGUS, found.owner, f"{z.name}: {z.bogus}") for z in found.zones if z.bogus]
    copies = dict.fromkeys((zone.name, zone.own_copy) for zone in found.zones if zone.own_copy)
    noticed += [finding(delivery.OWN_COPY, found.owner, f"{zone} at {resolver}") for zone, resolver in copies]
    if found.bogus:
        noticed.append(finding(delivery.BOGUS, found.owner, f"the record itself: {found.bogus}"))
    if found.unproven:
        noticed.append(finding(delivery.RESOLVER_FAILS, found.owner, f"asked for the record itself: {found.unproven}"))
    reached = {answer.server for answer in found.answers if answer.has_answered}
    for answer in found.answers:
        entry_ = _reach_entry(answer, answer.server in reached)
        if entry_ is not None:
            noticed.append(finding(entry_, found.owner, f"{_where(answer)}: {answer.why}"))


def _no_zone(found: Survey, name: str) -> list[Finding]:
    """Report why no zone was found: a resolver fails, or the servers to which the zone above delegates it."""
    failing = [answer for answer in found.delegated if not answer.has_answered]
    if not failing or len(failing) < len(found.delegated):
        return [finding(presence.NO_ZONE, name, found.no_zone)]
    zone = found.lame_zone
    return [
        finding(
            presence.NO_ZONE,
            name,
            f"{found.no_zone}; {zone} is delegated to servers of which none answers for it",
            fix=f"serve {zone} at these servers, or delegate it to others at the zone above",
        ),
        *(finding(presence.LAME, name, f"{_where(answer)}: {answer.why}") for answer in failing),
    ]


def _chain(names: list[str]) -> str:
    shown = names if len(names) < 6 else [*names[:3], "…", names[-1]]
    return " → ".join(printable(name, 100) for name in shown)


def _where(answer: ServerAnswer) -> str:
    if not answer.address or answer.address == answer.server:
        return answer.server
    return f"{answer.server} ({answer.address})"


def _reach_entry(answer: ServerAnswer, is_reached: bool) -> Entry | None:
    match answer.state:
        case AnswerState.SILENT:
            return presence.UNREACHABLE if answer.address else presence.NO_ADDRESS
        case AnswerState.LAME:
            return presence.LAME
        case AnswerState.NEEDS_TCP:
            return delivery.TCP_REFUSED
        case AnswerState.NOT_ASKED:
            return presence.NOT_ASKED if is_reached else presence.UNREACHABLE
        case _:
            return None


def judge_presence(
    found: Survey, answered: list[ServerAnswer], texts: list[str], keep: str | None, noticed: list[Finding]
) -> None:
    """Is the record there, once, and the same everywhere; and if not, where else. Of several, which one to `keep`."""
    name = found.aliases[-1]
    contents = {answer.content for answer in answered}
    if len(contents) > 1:
        seen = "; ".join(f"{_where(answer)}: {answer.in_short}" for answer in answered)
        noticed.append(finding(presence.DISAGREE, name, seen, fix=_fix_for_difference(answered)))
    elif not texts:
        entry = presence.MISSING if len(found.aliases) == 1 else presence.BROKEN_ALIAS
        seen = "the root of DNS" if name == ROOT else f"{answered[0].state.value} at {name}"
        is_redirected = any(answer.dname and answer.alias == name for answer in found.answers)
        where = f"publish the record at {name}, where the DNAME leads; below it nothing can be published"
        noticed.append(finding(entry, found.owner, seen, fix=where if is_redirected else None))
    most = max(len(answer.texts) for answer in answered)
    if most > 1:
        seen = f"{most} TXT records: " + ", ".join(f"“{_abridged(text)}”" for text in texts[:_SHOWN])
        fix = f"keep “{_abridged(keep)}” and delete the others" if keep else None
        noticed.append(finding(presence.SEVERAL, name, seen + (", …" if most > _SHOWN else ""), fix=fix))
    neighbour = "a neighbouring name that nobody published has the same answer"
    noticed += [finding(presence.WILDCARD, wild, neighbour) for wild in found.wildcards]
    noticed += [finding(e.entry, found.owner, f"there is a key record at {e.name}") for e in found.elsewhere]


def _fix_for_difference(answered: list[ServerAnswer]) -> str | None:
    """Return the fix for equal serials: then no server waits for a transfer."""
    serials = {answer.serial for answer in answered}
    if len(serials) > 1 or None in serials:
        return None
    return (
        f"the serial is {serials.pop()} at each of them, so no transfer will make them equal: the copies were edited "
        "apart. Edit the zone only at the primary, with a higher serial"
    )


def _abridged(text: str) -> str:
    return printable(text if len(text) <= 40 else f"{text[:20]}…{text[-12:]}")


def judge_delivery(found: Survey, answered: list[ServerAnswer], noticed: list[Finding]) -> None:
    """Judge how the answers arrive: serials, delegation, TCP, EDNS, TTL, DNSSEC, and what resolvers hold."""
    owner = found.owner
    serials = sorted({answer.serial for answer in answered if answer.serial is not None})
    if len(serials) > 1:
        seen = "; ".join(f"{_where(answer)}: {answer.serial}" for answer in answered)
        noticed.append(finding(presence.SERIALS, owner, seen))
    own = sorted(server.name for server in found.zones[0].servers)
    if found.delegated_to is not None and list(found.delegated_to) != own:
        seen = f"above: {', '.join(found.delegated_to)}; in the zone: {', '.join(own)}"
        noticed.append(finding(presence.DELEGATION, owner, seen))
    if any(answer.over_tcp for answer in answered):
        size = max(sum(map(len, answer.texts)) for answer in answered)
        noticed.append(finding(delivery.OVER_TCP, owner, f"{size} octets of text"))
    noticed += [finding(delivery.NO_EDNS, owner, _where(answer)) for answer in answered if not answer.edns]
    _ttl(owner, answered, noticed)
    if found.security in (Security.SECURE, Security.INSECURE):
        zones = ", ".join(dict.fromkeys(zone.name for zone in found.zones))
        noticed.append(
            finding(delivery.SECURE if found.security is Security.SECURE else delivery.INSECURE, owner, zones)
        )
    for answer in found.resolvers:
        _resolver(owner, answer, answered, noticed)


def _ttl(owner: str, answered: list[ServerAnswer], noticed: list[Finding]) -> None:
    ttls = [answer.ttl for answer in answered if answer.ttl is not None]
    if ttls and min(ttls) < SHORTEST_TTL:
        noticed.append(finding(delivery.SHORT_TTL, owner, f"{min(ttls)} s"))
    if ttls and max(ttls) > LONGEST_TTL:
        noticed.append(finding(delivery.LONG_TTL, owner, f"{max(ttls)} s"))


def _resolver(owner: str, answer: ServerAnswer, answered: list[ServerAnswer], noticed: list[Finding]) -> None:
    if not answer.has_answered:
        noticed.append(finding(delivery.RESOLVER_FAILS, owner, f"{_where(answer)}: {answer.why}"))
    elif all(answer.content != other.content for other in answered):
        left = f", for at most {answer.ttl} s more" if answer.ttl is not None else ""
        noticed.append(finding(delivery.STALE, owner, f"{_where(answer)}: {answer.in_short}{left}"))
