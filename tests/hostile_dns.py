"""DNS servers that misbehave, on loopback addresses of their own: each a script that gets the query's bytes."""

import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Send = Callable[..., None]
"""Takes the answer; over TCP also `claimed`, the length that is put in front if it is not the true one."""
Script = Callable[[bytes, Send], None]


@dataclass
class Hostile:
    """A server at one address: `udp` and `tcp` get each query and a function that sends an answer."""

    address: str
    port: int
    udp: Script
    tcp: Script | None = None
    """None: nothing listens on TCP. Its answers get their length put in front."""
    linger: float = 0.0
    """Seconds to wait before a question is read, so that those that come together are found together."""
    asked: int = 0
    place: int = 0
    """Of the question in hand, among those that were found together."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> "Hostile":
        """Bind at once, answer in a thread."""
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((self.address, self.port))
        stream = None
        if self.tcp is not None:
            stream = socket.create_server((self.address, self.port))
        self._thread = threading.Thread(target=self._serve, args=(datagrams, stream), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread:
            self._thread.join(5)

    def _serve(self, datagrams: socket.socket, stream: socket.socket | None) -> None:
        connections: list[socket.socket] = []
        with datagrams, selectors.DefaultSelector() as selector:
            selector.register(datagrams, selectors.EVENT_READ)
            if stream:
                selector.register(stream, selectors.EVENT_READ)
            while not self._stop.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is datagrams:
                        time.sleep(self.linger)
                        for self.place, (query, source) in enumerate(_waiting(datagrams)):
                            self.asked += 1
                            self.udp(query, lambda data, to=source: datagrams.sendto(data, to) and None)
                    else:
                        connections.append(self._accept(stream))
        for connection in [*connections, *([stream] if stream else [])]:
            connection.close()

    def _accept(self, stream: socket.socket | None) -> socket.socket:
        assert stream is not None and self.tcp is not None
        connection, _ = stream.accept()
        connection.settimeout(2)
        size = int.from_bytes(connection.recv(2), "big")
        query = connection.recv(size)
        self.tcp(query, lambda data, claimed=None: connection.sendall((claimed or len(data)).to_bytes(2, "big") + data))
        return connection


def _waiting(datagrams: socket.socket) -> list[tuple[bytes, Any]]:
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(datagrams.recvfrom(4096, socket.MSG_DONTWAIT))
    return found


def answer(query: bytes, *texts: bytes, ttl: int = 300, rcode: int = 0, **changes: object) -> bytes:
    """A correct authoritative answer with these TXT records, or one changed by `id`, `name`, `truncated`, `lame`."""
    asked = dns.message.from_wire(query)
    reply = dns.message.make_response(asked)
    if not changes.get("lame"):
        reply.flags |= dns.flags.AA
    if changes.get("truncated"):
        reply.flags |= dns.flags.TC
    reply.set_rcode(rcode)
    [question] = asked.question
    if "name" in changes:
        question = dns.rrset.RRset(dns.name.from_text(str(changes["name"])), question.rdclass, question.rdtype)
        reply.question = [question]
    if texts and question.rdtype == dns.rdatatype.TXT:
        rrset = dns.rrset.RRset(question.name, dns.rdataclass.IN, dns.rdatatype.TXT)
        rrset.ttl = ttl
        for text in texts:
            parts = [text[i : i + 255] for i in range(0, len(text), 255)] or [b""]
            joined = " ".join('"' + "".join(f"\\{b:03d}" for b in part) + '"' for part in parts)
            rrset.add(dns.rdata.from_text("IN", "TXT", joined), ttl)
        reply.answer = [rrset]
    if "id" in changes:
        reply.id = (reply.id + int(str(changes["id"]))) % 65536
    return reply.to_wire(max_size=65535)
