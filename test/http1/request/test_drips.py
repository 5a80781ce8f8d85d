"""Who sends by the byte costs by the piece: counted in receptions, over real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent
import gevent.socket
import pytest

from http1.errors import BodyError
from http1.limits import DRIP_SECONDS, Limits
from http1.request.body import Body
from http1.request.reader import Reader
from http1.turns import Turn


class Counted(Turn):
    """How often something was received."""

    __slots__ = ("times",)

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def worked(self, size: int = 0) -> None:
        self.times += 1
        super().worked(size)


class Drip:
    """A client that has sent its body by the byte for longer than that goes unnoticed, the server's end, and who has read it so far."""

    def __init__(self, client: gevent.socket.socket, served: gevent.socket.socket) -> None:
        self.client, self.served, self.turn = client, served, Counted()
        self.reader = Reader(served, self.turn)

    def drip(self, count: int, pause: float = 1e-6) -> None:
        # The loop looks at its sockets in each pause.
        for _ in range(count):
            self.client.sendall(b"x")
            gevent.sleep(pause)

    def noticed(self) -> None:
        self.drip(30, (DRIP_SECONDS + 0.2) / 30)
        self.turn.times = 0

    @property
    def low(self) -> int:
        return int(self.served.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT))


def drip(kind: str) -> tuple[gevent.socket.socket, gevent.socket.socket]:
    if kind == "unix":
        client, served = gevent.socket.socketpair()
        return client, served
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = gevent.socket.create_connection(listener.getsockname())
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client, listener.accept()[0]


@pytest.fixture(params=["tcp", "unix"])
def one(request: pytest.FixtureRequest) -> Iterator[Drip]:
    client, served = drip(request.param)
    with client, served:
        yield Drip(client, served)


@pytest.fixture
def tcp() -> Iterator[Drip]:
    client, served = drip("tcp")
    with client, served:
        yield Drip(client, served)


def test_a_body_by_the_byte_is_gathered_by_the_kernel(tcp: Drip) -> None:
    """Once it has dripped for a second; and nobody waits longer for its end."""
    size = 30 + 1000
    body = Body(tcp.reader, size, Limits())
    whole = gevent.spawn(body.read)
    tcp.noticed()
    tcp.drip(size - 30 - 1)
    # The kernel gathers fewer where such small pieces would fill its buffer.
    assert tcp.turn.times < 100 and not whole.ready()
    tcp.drip(1)
    assert whole.get(timeout=1) == b"x" * size
    assert tcp.low == 1


def test_a_chunk_by_the_byte_is_gathered_as_well(tcp: Drip) -> None:
    body = Body(tcp.reader, None, Limits())
    whole = gevent.spawn(body.read)
    tcp.client.sendall(b"%x\r\n" % (1030))
    tcp.noticed()
    tcp.drip(1000)
    assert tcp.turn.times < 20
    tcp.client.sendall(b"\r\n0\r\n\r\n")
    assert whole.get(timeout=1) == b"x" * 1030


def test_who_hands_over_small_pieces_at_once_is_listened_to(tcp: Drip) -> None:
    """A second of it must have passed: until then the client may wait for each of them to be acknowledged."""
    body = Body(tcp.reader, 5000, Limits())
    gevent.spawn(body.read)
    for _ in range(20):
        tcp.client.sendall(b"x")
        gevent.sleep(0.01)
        assert tcp.low == 1
    assert tcp.turn.times == 20


def test_what_is_needed_is_had_as_soon_as_it_is_there(one: Drip) -> None:
    """A view that asks for ten bytes gets ten; one that asks for lines gets each."""
    body = Body(one.reader, 30 + 10 + 5 + 1000, Limits())
    first = gevent.spawn(body.read, 30)
    one.noticed()
    assert len(first.get(timeout=1)) == 30
    ten = gevent.spawn(body.read, 10)
    one.drip(10, 0.001)
    assert ten.get(timeout=1) == b"x" * 10
    line = gevent.spawn(body.readline)
    gevent.sleep(0.01)
    one.client.sendall(b"line\n")
    assert line.get(timeout=1) == b"line\n"
    assert one.low == 1


def test_who_leaves_is_noticed_at_once(one: Drip) -> None:
    """However much was waited for; also by who looks after connections, and ends one from outside."""
    body = Body(one.reader, 100_000, Limits())
    whole = gevent.spawn(body.read)
    one.noticed()
    one.client.close()
    with pytest.raises(BodyError):
        whole.get(timeout=1)
    assert one.low == 1


def test_a_time_limit_leaves_nothing_behind(tcp: Drip) -> None:
    """What is thrown into the one that waits: the next that is waited for on this connection is waited for by the byte."""
    body = Body(tcp.reader, 100_000, Limits())
    whole = gevent.spawn(body.read)
    tcp.noticed()
    tcp.drip(2)
    assert tcp.low > 1
    whole.kill(BodyError("too slow"))
    assert tcp.low == 1


def test_a_head_after_such_a_body_comes_by_the_byte(tcp: Drip) -> None:
    body = Body(tcp.reader, 40, Limits())
    whole = gevent.spawn(body.read)
    tcp.noticed()
    tcp.drip(10)
    assert len(whole.get(timeout=1)) == 40
    head = gevent.spawn(tcp.reader.head, Limits())
    for byte in b"GET / HTTP/1.1\r\n\r\n":
        tcp.client.sendall(bytes([byte]))
        gevent.sleep(0.001)
    assert head.get(timeout=1) == b"GET / HTTP/1.1\r\n\r\n"
