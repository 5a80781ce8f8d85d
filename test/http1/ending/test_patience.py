"""Whom nobody waits for for ever."""

from __future__ import annotations

import gevent
import gevent.socket
import pytest

from http1.answer import Answer
from http1.ending.patience import RATE, Patience
from http1.request.head import Head
from http1.turns import Turn

WINDOW = 5.0


def pair(kind: str) -> tuple[gevent.socket.socket, gevent.socket.socket]:
    """A client and the server's end of its connection."""
    if kind == "unix":
        client, served = gevent.socket.socketpair()
        return client, served
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = gevent.socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_patience_ends_with_a_client_that_hardly_moves(kind: str) -> None:
    """Only while somebody waits for it, and only after the whole window; one that keeps the rate is let be."""
    client, served = pair(kind)
    answer = Answer(served, Head(b"", "GET", 1), lambda: False, Turn())

    def read() -> None:
        # On a UNIX socket, what went through the answer is all that is known.
        while piece := served.recv(100):
            answer.sent += len(piece)

    with client, served:
        patience = Patience(WINDOW)
        assert [*patience.lost_with([answer], 0.0), *patience.lost_with([answer], 100.0)] == []
        reader = gevent.spawn(read)
        gevent.sleep(0)
        assert list(patience.lost_with([answer], 101.0)) == []
        client.sendall(b"x" * int(RATE * WINDOW))
        gevent.sleep(0.1)
        assert list(patience.lost_with([answer], 101.0 + WINDOW)) == []
        client.sendall(b"x")
        gevent.sleep(0.1)
        assert list(patience.lost_with([answer], 100.9 + 2 * WINDOW)) == []
        assert list(patience.lost_with([answer], 101.0 + 2 * WINDOW)) == [answer]
        reader.kill()


def test_the_kernel_is_asked_at_the_ends_of_a_window_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand that wait, at each look it took milliseconds for which all others waited."""
    asked = 0

    def counting(answer: Answer) -> int:
        nonlocal asked
        asked += 1
        return 0

    monkeypatch.setattr("http1.ending.patience.moved", counting)
    client, served = pair("tcp")
    answer = Answer(served, Head(b"", "GET", 1), lambda: False, Turn())
    with client, served:
        reader = gevent.spawn(served.recv, 1)
        gevent.sleep(0)
        patience = Patience(WINDOW)
        for second in range(int(WINDOW)):
            assert not list(patience.lost_with([answer], second))
        assert asked == 1
        assert list(patience.lost_with([answer], WINDOW)) == [answer]
        reader.kill()
