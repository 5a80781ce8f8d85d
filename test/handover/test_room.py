"""A worker that holds as many connections as it may: those that are no requests make room."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Master

ROOM = 10
GET = b"GET /slow?seconds=0 HTTP/1.1\r\nHost: x\r\n\r\n"
# What each of a crowd has sent: nothing, half a head, a whole one that was answered, what was refused, what was answered though its body
# had not come. The last two are told all and do not leave.
UNREAD = GET.replace(b"GET", b"POST")[:-2] + b"Content-Length: 60000\r\n\r\n"
CROWDS = {"silent": b"", "half": GET[:-2], "idle": GET, "refused": b"nonsense\r\n\r\n", "unread": UNREAD}


@pytest.fixture
def crowd(start: Callable[..., Master]) -> Iterator[tuple[Master, Callable[[bytes, int], list[socket.socket]]]]:
    master = start(workers=1, connections=ROOM, keepalive=60, head_timeout=60)
    with ExitStack() as stack:

        def gather(data: bytes, count: int) -> list[socket.socket]:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", master.port), timeout=30)) for _ in range(count)]
            for client in clients:
                client.sendall(data)
            return clients

        yield master, gather


def serves(master: Master) -> None:
    """Within half of the time that a crowd stays."""
    with socket.create_connection(("127.0.0.1", master.port), timeout=30) as client:
        client.sendall(GET)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("kind", CROWDS)
def test_a_crowd_makes_room(crowd: tuple[Master, Callable[[bytes, int], list[socket.socket]]], kind: str) -> None:
    """Of three times as many as there is room for, each of which would stay for a minute: whoever comes is served long before."""
    master, gather = crowd
    gather(CROWDS[kind], 3 * ROOM)
    for _ in range(5):
        serves(master)


@pytest.mark.prove
@pytest.mark.parametrize("kind", CROWDS)
def test_a_crowd_makes_room_in_a_moment(crowd: tuple[Master, Callable[[bytes, int], list[socket.socket]]], kind: str) -> None:
    """That all are older than a second; on a machine that does nothing else."""
    master, gather = crowd
    gather(CROWDS[kind], 3 * ROOM)
    for _ in range(5):
        begun = time.monotonic()
        serves(master)
        assert time.monotonic() - begun < (4 if kind in ("refused", "unread") else 6)


@pytest.mark.prove
def test_each_newcomer_waits_for_a_moment_only(crowd: tuple[Master, Callable[[bytes, int], list[socket.socket]]]) -> None:
    """Five one after the other, each of whom takes the only place that became free: well below the second that a worker rests at a time.
    On a machine that does nothing else."""
    master, gather = crowd
    gather(GET, ROOM)
    time.sleep(1.2)
    with ExitStack() as stack:
        begun = time.monotonic()
        for _ in range(ROOM // 2):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", master.port), timeout=30))
            client.sendall(GET)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - begun < 0.5 * ROOM / 2


def test_a_request_makes_no_room(crowd: tuple[Master, Callable[[bytes, int], list[socket.socket]]]) -> None:
    """A pool of those waits for the first to be answered; the oldest half head goes before one that has been served."""
    master, gather = crowd
    busy = gather(b"GET /slow?seconds=8 HTTP/1.1\r\nHost: x\r\n\r\n", ROOM - 2)
    (idle,) = gather(GET, 1)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    (half,) = gather(CROWDS["half"], 1)
    time.sleep(1.5)
    serves(master)
    assert not select.select(busy, [], [], 0)[0]
    half.settimeout(5)
    assert half.recv(1000) == b""
    idle.sendall(GET)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    for client in busy:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
