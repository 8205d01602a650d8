"""The name servers' sockets: UDP, TCP, EDNS, the TC bit, faults and delay."""

import contextlib
import socket
import socketserver
import struct
from dataclasses import dataclass
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from dkimctl.sandbox.dnsfaults import DnsFault, DnsFaults, DnsRole
from dkimctl.sandbox.listening import ConnectionServer, Loop
from dkimctl.sandbox.resolution import Resolution, Tables, resolve

PLAIN_LIMIT = 512
"""The longest UDP answer without EDNS, in octets (RFC 1035, section 4.2.1)."""

OUR_PAYLOAD = 1232
"""The longest UDP query that the servers announce to accept, in octets."""

TCP_LIMIT = 65535
_TRANSFERS = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
_RCODES = {"refuse": dns.rcode.REFUSED, "servfail": dns.rcode.SERVFAIL}


@dataclass(frozen=True, slots=True)
class NameServer:
    """The logic of one of the two DNS servers, without its sockets.

    The first is also the resolver, for queries with RD; like other servers that are both, it then sets RA and, for
    its own zones, also AA.
    """

    role: DnsRole
    tables: Tables
    faults: DnsFaults

    def answer(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """Return the answer to a message, or None for no answer."""
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            return _bare_answer(wire, dns.rcode.FORMERR)
        try:
            return self._answer(query, tcp)
        except Exception:  # a bug of the sandbox must not end the thread that serves all clients
            return _bare_answer(wire, dns.rcode.SERVFAIL)

    def _answer(self, query: dns.message.Message, tcp: bool) -> bytes | None:
        if query.flags & dns.flags.QR:
            return None
        recursive = self.role == "ns1" and bool(query.flags & dns.flags.RD)
        fault = self.faults.take("resolver" if recursive else self.role)
        if fault and fault.kind == "drop":
            return None
        response = dns.message.make_response(query, recursion_available=recursive, our_payload=OUR_PAYLOAD)
        if fault and fault.kind == "truncate" and not tcp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        _fill(response, self._resolution(query, fault, recursive))
        return _to_wire(response, TCP_LIMIT if tcp else max(PLAIN_LIMIT, query.payload if query.edns >= 0 else 0))

    def _resolution(self, query: dns.message.Message, fault: DnsFault | None, recursive: bool) -> Resolution:
        if fault and fault.kind in _RCODES:
            return Resolution(_RCODES[fault.kind], authoritative=False)
        if fault and fault.kind == "lame":
            return Resolution(authoritative=False)
        if query.opcode() != dns.opcode.QUERY:
            return Resolution(dns.rcode.NOTIMP, authoritative=False)
        if len(query.question) != 1:
            return Resolution(dns.rcode.FORMERR, authoritative=False)
        question = query.question[0]
        if question.rdclass != dns.rdataclass.IN or question.rdtype in _TRANSFERS:
            return Resolution(dns.rcode.REFUSED, authoritative=False)
        return resolve(self.tables, question, recursive=recursive, instead=fault.stale if fault else {})


class DnsSockets:
    """UDP and TCP of one name server at one address."""

    def __init__(self, server: NameServer, address: tuple[str, int], delay: float) -> None:
        self._server = server
        self._delay = delay
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.ExitStack() as undo:
            undo.callback(self._udp.close)
            self._udp.bind(address)
            self._udp.setblocking(False)
            self.address: tuple[str, int] = self._udp.getsockname()
            self._tcp = _TcpServer(self.address, server, delay)
            undo.pop_all()

    def watch(self, loop: Loop) -> None:
        """Register the sockets with a loop."""
        loop.watch(self._udp, lambda: self._receive(loop))
        loop.watch(self._tcp, self._tcp.handle_request)

    def close(self) -> None:
        """Close all sockets; the loop must have stopped."""
        self._udp.close()
        self._tcp.stop()

    def _receive(self, loop: Loop) -> None:
        with contextlib.suppress(OSError):
            wire, client = self._udp.recvfrom(TCP_LIMIT)
            answer = self._server.answer(wire, tcp=False)
            if answer is not None and self._delay:
                loop.later(self._delay, lambda: self._send(answer, client))
            elif answer is not None:
                self._send(answer, client)

    def _send(self, answer: bytes, client: Any) -> None:
        with contextlib.suppress(OSError):
            self._udp.sendto(answer, client)


class _TcpServer(ConnectionServer):
    def __init__(self, address: tuple[str, int], server: NameServer, delay: float) -> None:
        self.name_server = server
        self.delay = delay
        super().__init__(address, _TcpHandler)


class _TcpHandler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer messages with a length before each (RFC 1035, section 4.2.2), until the client closes."""
        server = cast(_TcpServer, self.server)
        if server.name_server.faults.take(server.name_server.role, connecting=True):
            return
        while len(prefix := self.rfile.read(2)) == 2:
            answer = server.name_server.answer(self.rfile.read(struct.unpack("!H", prefix)[0]), tcp=True)
            if answer is None:
                return
            server.stopping.wait(server.delay)
            self.wfile.write(struct.pack("!H", len(answer)) + answer)


def _fill(response: dns.message.Message, resolution: Resolution) -> None:
    response.set_rcode(resolution.rcode)
    response.answer = resolution.answer
    response.authority = resolution.authority
    if resolution.authoritative:
        response.flags |= dns.flags.AA


def _to_wire(response: dns.message.Message, limit: int) -> bytes:
    """Return the message; when it does not fit, without its records and with TC (RFC 2181, section 9)."""
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.answer, response.authority = [], []
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=limit)


def _bare_answer(wire: bytes, rcode: dns.rcode.Rcode) -> bytes | None:
    """Return a header with an RCODE, for a message that has at least a header and is not an answer itself."""
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    return wire[:2] + bytes([0x80 | wire[2] & 0x79, int(rcode)]) + bytes(8)
