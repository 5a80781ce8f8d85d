"""Whom a retiring worker does not wait for: clients that send their body, or take their answer, by the byte."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Any

# A client that a request waits for has to move so many bytes in so many seconds. The rate is that of Apache's mod_reqtimeout.
WINDOW = 5.0
RATE = 500


class Patience:
    """Looks at connections again and again, and finds those whose client has moved too little for WINDOW seconds on end."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[float, int]] = {}

    def lost_with(self, clients: Iterable[Any], now: float) -> Iterator[Any]:
        """The gevent sockets that are too slow; `now` in seconds of the monotonic clock."""
        before, self._seen = self._seen, {}
        for client in clients:
            fd, moved = client.fileno(), bytes_moved(client)
            if fd < 0 or moved is None or not waited_for(client):
                continue
            since, then = before.get(fd, (now, moved))
            if now - since < WINDOW:
                self._seen[fd] = since, then
            elif moved - then < RATE * WINDOW:
                yield client
            else:
                self._seen[fd] = now, moved


def waited_for(client: Any) -> bool:
    """Whether a greenlet waits for this client to send or to take something; an application's own time is not the client's."""
    return bool(client._read_event.active or client._write_event.active)


def bytes_moved(client: Any) -> int | None:
    """What a client has sent and taken so far (tcp(7), TCP_INFO: bytes_acked and bytes_received); None for what is no TCP connection."""
    with contextlib.suppress(OSError, struct.error):
        acked, received = struct.unpack_from("QQ", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136), 120)
        return int(acked + received)
    return None
