"""How connections end."""

from __future__ import annotations

import tracemalloc

import gevent
import gevent.socket

from http1.ending.farewell import part
from http1.turns import Turn


def test_a_thousand_who_do_not_leave_cost_little() -> None:
    """Each is listened to for seconds; a buffer for each would be 64 MB."""
    pairs = [gevent.socket.socketpair() for _ in range(100)]
    tracemalloc.start()
    leaving = [gevent.spawn(part, here, Turn()) for here, _ in pairs]
    for _, there in pairs:
        there.send(b"x" * 1000)
    gevent.sleep(0.1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gevent.killall(leaving)
    for here, there in pairs:
        here.close()
        there.close()
    assert held < len(pairs) * 16_384
