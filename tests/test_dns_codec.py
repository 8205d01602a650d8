"""Messages on the wire: what is written can be read by others, and no bytes surprise the reader."""

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dkimctl.dns.codec import answers_to, query, question, read_message
from dkimctl.dns.message import Type
from dkimctl.dns.wire import MalformedMessage
from tests.conftest import FULL

NAME = "mail._domainkey.example.com"
ASKED = question(NAME, Type.TXT)


def reply_to(wire: bytes) -> bytes:
    """An answer by another library."""
    reply = dns.message.make_response(dns.message.from_wire(wire))
    reply.answer = [
        dns.rrset.from_text(f"{NAME}.", 300, "IN", "CNAME", "key.other.example."),
        dns.rrset.from_text("key.other.example.", 60, "IN", "TXT", '"a" "" "b"'),
    ]
    return reply.to_wire()


def test_another_library_understands_a_query() -> None:
    """dnspython reads the id, the question, the flags and EDNS out of what is sent."""
    read = dns.message.from_wire(query(4711, ASKED, recursive=True))
    assert (read.id, str(read.question[0]), read.edns, read.payload) == (4711, f"{NAME}. IN TXT", 0, 1232)
    assert dns.flags.to_text(read.flags) == "RD AD"
    assert dns.message.from_wire(query(1, ASKED, edns=False)).edns == -1


def test_an_answer_is_read() -> None:
    """Names compressed by another library, TTLs and empty strings come out as they went in."""
    wire = reply_to(query(1, ASKED))
    assert answers_to(wire, ASKED)
    message = read_message(wire, NAME, ASKED)
    assert [(r.name, r.ttl, r.data) for r in message.answers] == [
        (NAME, 300, "key.other.example"),
        ("key.other.example", 60, (b"a", b"", b"b")),
    ]


def test_only_the_same_question_is_an_answer() -> None:
    """A query, an answer to another name or type, and less than a header are no answers."""
    wire = reply_to(query(1, ASKED))
    assert not answers_to(query(1, ASKED), ASKED)
    assert not answers_to(wire, question(NAME, Type.A))
    assert not answers_to(wire, question("x.example.com", Type.TXT))
    assert not answers_to(wire[:11], ASKED)


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abcdefg"] * 32), ".a"])
def test_names_that_dns_cannot_hold_are_refused(name: str) -> None:
    """Empty and overlong labels, and names of more than 255 octets, never reach the wire."""
    with pytest.raises(MalformedMessage):
        question(name, Type.TXT)


@settings(max_examples=2000 if FULL else 500)
@given(st.data())
def test_no_bytes_surprise_the_reader(data: st.DataObject) -> None:
    """A good answer with bytes changed, cut or added is read or called malformed, nothing else."""
    wire = bytearray(reply_to(query(1, ASKED)))
    for _ in range(data.draw(st.integers(0, 8))):
        wire[data.draw(st.integers(12 + len(ASKED), len(wire) - 1))] = data.draw(st.integers(0, 255))
    mangled = bytes(wire[: data.draw(st.integers(0, len(wire)))]) + data.draw(st.binary(max_size=20))
    if answers_to(mangled, ASKED):
        try:
            read_message(mangled, NAME, ASKED)
        except MalformedMessage:
            return
