"""One question sent to one address by dnspython: repeated while there is no answer, over TCP where it is truncated.

An answer to another question is ignored (`ignore_unexpected`, `ignore_errors`). Needs dnspython 2.6.1: 2.6.0 takes a
truncated answer for a whole one.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SOCK_DGRAM
from typing import Any

import dns._features

if "dkimctl.entry" in sys.modules:  # our own process: nothing in it needs DNS over HTTPS, whose libraries take 0.1 s
    dns._features.force("doh", False)
    dns._features.force("doq", False)

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.query

from dkimctl.dns.codec import answers_to, question
from dkimctl.dns.endpoints import Endpoint
from dkimctl.dns.library_messages import message_of, query_for
from dkimctl.dns.questions import Failure, Question, Reply, Trouble

_ATTEMPTS = (1 / 6, 7 / 12, 1.0)
"""When each attempt ends, as a share of the timeout: as patient as the engine."""


async def exchange(asked: Question, timeout: float, *, edns: bool) -> Reply:
    """Return the reply, decoded, or why there is none. Raises MalformedMessage for what is not a name.

    `timeout`: seconds for an answer over UDP, repetitions included, and as long again over TCP.
    """
    query = query_for(asked, edns=edns)
    started = time.monotonic()
    try:
        async with _connected(asked, query.id) as socket:
            reply = await _over_udp(query, asked.endpoint, socket, timeout)
    except ConnectionRefusedError:
        return Failure(Trouble.CLOSED)
    except OSError:
        return Failure(Trouble.NO_ROUTE)
    except dns.message.Truncated:
        return await _over_tcp(query, asked.endpoint, timeout, edns)
    if isinstance(reply, Failure):
        return reply
    return message_of(reply, over_tcp=False, edns=edns, seconds=time.monotonic() - started)


async def _over_udp(
    query: dns.message.Message, endpoint: Endpoint, socket: "_Socket", timeout: float
) -> dns.message.Message | Failure:
    """Return the answer, or why there is none. Raises OSError, and Truncated for an answer that needs TCP."""
    started = time.monotonic()
    for share in _ATTEMPTS:
        try:
            return await dns.asyncquery.udp(
                query,
                endpoint.address,
                max(0.0, started + share * timeout - time.monotonic()),
                endpoint.port,
                ignore_unexpected=True,
                one_rr_per_rrset=True,
                ignore_trailing=True,
                raise_on_truncation=True,
                sock=socket,
                ignore_errors=True,
            )
        except dns.exception.Timeout:
            if socket.has_malformed_reply:
                return Failure(Trouble.MALFORMED)
    return Failure(Trouble.TIMEOUT)


async def _over_tcp(query: dns.message.Message, endpoint: Endpoint, timeout: float, edns: bool) -> Reply:
    started = time.monotonic()
    try:
        reply = await dns.asyncquery.tcp(
            query, endpoint.address, timeout, endpoint.port, one_rr_per_rrset=True, ignore_trailing=True
        )
    except dns.exception.Timeout:
        return Failure(Trouble.STREAM_STALLED)
    except (OSError, EOFError, dns.query.BadResponse, dns.message.ShortHeader):
        return Failure(Trouble.STREAM_REFUSED)
    except (dns.exception.DNSException, ValueError):
        return Failure(Trouble.MALFORMED)
    return message_of(reply, over_tcp=True, edns=edns, seconds=time.monotonic() - started)


@asynccontextmanager
async def _connected(asked: Question, identity: int) -> AsyncIterator["_Socket"]:
    """Yield a socket that receives from this address only, and learns when nothing listens there. Raises OSError."""
    endpoint = asked.endpoint
    backend: Any = dns.asyncbackend.get_backend("asyncio")
    inner = await backend.make_socket(endpoint.family, SOCK_DGRAM, 0, None, (endpoint.address, endpoint.port))
    try:
        yield _Socket(inner, identity, question(asked.name, asked.kind))
    finally:
        await inner.close()


class _Socket:
    """A connected socket that remembers whether a reply came that dnspython ignored, because it is malformed."""

    def __init__(self, inner: Any, identity: int, asked: bytes) -> None:
        self.family = inner.family
        self._inner = inner
        self._identity = identity.to_bytes(2, "big")
        self._asked = asked
        self.has_malformed_reply = False

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        """Send to the connected address."""
        return await self._inner.sendto(what, None, timeout)  # type: ignore[no-any-return]

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        """Return the next datagram and its source."""
        data, source = await self._inner.recvfrom(size, timeout)
        if data[:2] == self._identity and answers_to(data, self._asked):
            self.has_malformed_reply = True  # else dnspython returns it, and nobody looks here again
        return data, source
