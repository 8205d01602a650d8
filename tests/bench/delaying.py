"""A DNS server far away: it answers as another one does, each answer some milliseconds later, and counts questions.

Real latency without a real network; what the other server said is remembered, so that little time is lost here.
"""

import heapq
import itertools
import os
import random
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_int64
from multiprocessing import get_context

HOME = "127.0.0.1"
_BUFFER = 4 << 20
_RCVBUFFORCE = 33  # SO_RCVBUFFORCE of socket(7): as root beyond net.core.rmem_max


@contextmanager
def delaying(port: int, upstream: int, delay: tuple[float, float]) -> Iterator[c_int64]:
    """Serve at a port of this host what `upstream` answers, `delay` seconds later, at random between the two.

    Gives the number of questions that have come in.
    """
    context = get_context("fork")
    count = context.RawValue(c_int64, 0)
    server = _socket()
    server.bind((HOME, port))
    process = context.Process(target=_serve, args=(server, upstream, delay, count), daemon=True)
    process.start()
    server.close()
    try:
        yield count
    finally:
        process.terminate()
        process.join()


def _socket() -> socket.socket:
    made = socket.socket(type=socket.SOCK_DGRAM)
    option = _RCVBUFFORCE if os.geteuid() == 0 else socket.SO_RCVBUF
    made.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    return made


def _serve(server: socket.socket, upstream: int, delay: tuple[float, float], count: c_int64) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    known: dict[bytes, bytes] = {}
    due: list[tuple[float, int, bytes, object]] = []
    serial = itertools.count()
    other = _socket()
    other.connect((HOME, upstream))
    server.setblocking(False)
    poll = select.epoll()
    poll.register(server.fileno(), select.EPOLLIN)
    while True:
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, _, answer, asker = heapq.heappop(due)
            server.sendto(answer, asker)
        # the poll waits for whole milliseconds, rounded up: an answer leaves a little late, never early
        if not poll.poll(due[0][0] - now if due else -1):
            continue
        now = time.monotonic()
        for data, asker in _received(server):
            count.value += 1
            if data[2:] not in known:
                known[data[2:]] = _asked(other, data)
            heapq.heappush(due, (now + random.uniform(*delay), next(serial), data[:2] + known[data[2:]], asker))


def _received(server: socket.socket) -> Iterator[tuple[bytes, object]]:
    for _ in range(64):
        try:
            yield server.recvfrom(4096)
        except BlockingIOError:
            return


def _asked(other: socket.socket, question: bytes) -> bytes:
    """The other server's answer without its id; asked again until it comes."""
    while True:
        other.send(question)
        ready, _, _ = select.select([other], [], [], 0.5)
        while ready:
            answer = other.recv(65535)
            if answer[:2] == question[:2]:
                return answer[2:]
            ready, _, _ = select.select([other], [], [], 0)
