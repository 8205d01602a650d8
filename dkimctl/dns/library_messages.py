"""Our questions as dnspython's messages, and its replies as ours."""

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dkimctl.dns.codec import PAYLOAD
from dkimctl.dns.extended_errors import shown_text
from dkimctl.dns.message import Data, Message, Record, StartOfAuthority, Type
from dkimctl.dns.questions import Question
from dkimctl.dns.wire import MalformedMessage, label_text, write_label


def query_for(asked: Question, *, edns: bool) -> dns.message.Message:
    """Return the query with a random id. Raises MalformedMessage when DNS cannot hold the name."""
    flags = (dns.flags.RD | dns.flags.AD) if asked.recursive else 0
    if asked.checking_disabled:
        flags |= dns.flags.CD
    kind = dns.rdatatype.RdataType(asked.kind)
    name = _name(asked.name)
    return dns.message.make_query(
        name, kind, use_edns=0 if edns else False, payload=PAYLOAD if edns else None, flags=int(flags)
    )


def _name(text: str) -> dns.name.Name:
    labels = [write_label(label)[1:] for label in text.split(".")] if text else []
    try:
        return dns.name.Name([*labels, b""])
    except dns.name.NameTooLong as error:
        raise MalformedMessage(f"{len(text)} characters") from error


def message_of(reply: dns.message.Message, *, over_tcp: bool, edns: bool, seconds: float) -> Message:
    """Return the same message in our terms. The last three: how the reply was got."""
    return Message(
        rcode=int(reply.rcode()),
        authoritative=bool(reply.flags & dns.flags.AA),
        truncated=bool(reply.flags & dns.flags.TC),
        recursion=bool(reply.flags & dns.flags.RA),
        authentic=bool(reply.flags & dns.flags.AD),
        answers=_records(reply.answer),
        authority=_records(reply.authority),
        glue=tuple(record for record in _records(reply.additional) if record.type in (Type.A, Type.AAAA)),
        errors=tuple(
            (int(option.code), shown_text(option.text or ""))
            for option in reply.options
            if isinstance(option, dns.edns.EDEOption)
        ),
        over_tcp=over_tcp,
        edns=edns,
        seconds=seconds,
    )


def _records(section: list[dns.rrset.RRset]) -> tuple[Record, ...]:
    return tuple(
        Record(_text(rrset.name), int(rrset.rdtype), rrset.ttl, _data(rdata, rrset.rdtype))
        for rrset in section
        if rrset.rdclass == dns.rdataclass.IN
        for rdata in rrset
    )


def _text(name: dns.name.Name) -> str:
    return ".".join(map(label_text, name.labels[:-1]))


def _data(rdata: Any, kind: int) -> Data:
    match kind:
        case Type.TXT:
            return tuple(rdata.strings)
        case Type.NS | Type.CNAME | Type.DNAME:
            return _text(rdata.target)
        case Type.A | Type.AAAA:
            return str(rdata.address)
        case Type.SOA:
            return StartOfAuthority(_text(rdata.mname), rdata.serial, rdata.minimum)
    return bytes(rdata.to_wire())
