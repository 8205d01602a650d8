"""The text at a name, as a verifier of mail gets it: from the resolvers, CNAMEs followed by them."""

from contextlib import closing

from dkimctl.config.settings import Lookup
from dkimctl.dns.asking import asker_for
from dkimctl.dns.endpoints import resolvers
from dkimctl.dns.extended_errors import in_words
from dkimctl.dns.message import Message, Rcode, Record, Type
from dkimctl.dns.questions import Reply
from dkimctl.dns.resolve import Resolution
from dkimctl.errors import Unavailable


def txt_strings(name: str, lookup: Lookup) -> bytes | None:
    """The key record's text at `name`, its strings joined (RFC 6376 §3.6.2.2); None when there is none.

    Of several records the first that says DKIM1. Raises Unavailable when no resolver has an answer.
    """
    texts = txt_records(name, lookup)
    return next((text for text in texts if b"DKIM1" in text), texts[0] if texts else None)


def txt_records(name: str, lookup: Lookup) -> list[bytes]:
    """Return the text of every TXT record at `name`, each joined. Raises Unavailable when no resolver answers."""
    resolution = Resolution(resolvers(lookup), lookup.port)
    asker, names = asker_for([name.rstrip(".")], lookup.timeout)
    with closing(asker):
        [reply] = asker.run((resolution.ask_any(one, Type.TXT) for one in names), 1)
    return [text for _, text in texts_of(_usable(name, reply).answers)]


def _usable(name: str, reply: Reply) -> Message:
    hint = "check the name server: --nameserver, DKIMCTL_NAMESERVERS or /etc/resolv.conf; then run it again"
    if not isinstance(reply, Message):
        raise Unavailable(f"no resolver answers for {name}: {reply}", hint=hint)
    if reply.rcode not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        raise Unavailable(f"the resolver answers {reply.rcode_name} for {name}{in_words(reply.errors)}", hint=hint)
    return reply


def texts_of(answers: tuple[Record, ...]) -> list[tuple[int, bytes]]:
    """TTL in seconds and joined strings of every TXT record among these."""
    return [(r.ttl, b"".join(r.data)) for r in answers if r.type == Type.TXT and isinstance(r.data, tuple)]
