"""A connection that an application takes over from HTTP, as WebSocket libraries do by `environ["gunicorn.socket"]`."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Any

from gevent.lock import RLock

from http1.turns import Turn
from http1.upgrade.frames import RESTART, Frames

# What an answer's head may have at most, before it is taken for none.
_HEAD_LIMIT = 65536
_HARMLESS = frozenset(("family", "getpeername", "getsockname", "getsockopt", "proto", "type", "_read_event", "_write_event"))


class Handed:
    """A gevent socket for an application, which knows what is written to it.

    `touched` tells that the application may have read from it, what was meant as the next request perhaps; `taken` that it has answered
    there itself, `status` with what, `sent` how many bytes; `told` that a WebSocket's
    client has been sent a goodbye. Each send goes out as a whole: gevent's own may stop half-way where a blocking socket's would wait
    (socket.send of a library that reads no result), and two greenlets' frames would mix.
    """

    def __init__(self, client: Any, turn: Turn) -> None:
        self._client, self._turn = client, turn
        self._head = bytearray()
        self._frames: Frames | None = None
        self._sends = RLock()
        # The worker retires, and the client is to be told.
        self._leaving, self.told = False, False
        self.touched, self.taken, self.status, self.sent = False, False, 0, 0

    def __getattr__(self, name: str) -> Any:
        # Where it leads, and who waits for it, may be asked without consequence.
        self.touched = self.touched or name not in _HARMLESS
        return getattr(self._client, name)

    def recv(self, *args: Any) -> bytes:
        self.touched = True
        data: bytes = self._client.recv(*args)
        # A client that sends without end would keep others waiting.
        self._turn.worked(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        self.touched = True
        count: int = self._client.recv_into(*args)
        self._turn.worked(count)
        return count

    def sendall(self, data: Any, flags: int = 0) -> None:
        rest = memoryview(data).cast("B")
        self.taken = self.touched = True
        with self._sends:
            while rest:
                if self.told:
                    raise BrokenPipeError(errno.EPIPE, "the worker retires, and has said goodbye to this client")
                count = self._client.send(rest, flags)
                self._follow(rest[:count])
                rest = rest[count:]
                # A client that takes everything at once would keep others waiting.
                self._turn.worked(count)
            if self._leaving:
                self._close_if_between()

    def send(self, data: Any, flags: int = 0) -> int:
        self.sendall(data, flags)
        return len(memoryview(data).cast("B"))

    def sendmsg(self, buffers: Any, *_: Any) -> int:
        return self.send(b"".join(buffers))

    def say_goodbye(self) -> None:
        """Has a WebSocket's client sent a close frame, between two frames of the application's: now, if this is such a moment, else by the
        send that ends the next one. Never waits. What is no WebSocket is not told anything."""
        self._leaving = True
        if self._sends.acquire(blocking=False):
            self._close_if_between()
            self._sends.release()

    def _close_if_between(self) -> None:
        if self.told or self._frames is None or not self._frames.between:
            return
        self.told = True
        # A client that takes nothing is not waited for.
        with contextlib.suppress(OSError):
            self._client._sock.send(RESTART, socket.MSG_DONTWAIT)

    def _follow(self, sent: memoryview) -> None:
        self.sent += len(sent)
        if self._frames is not None:
            self._frames.follow(sent)
        elif not self.status:
            self._head += sent
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if end or len(self._head) > _HEAD_LIMIT:
                self.status, websocket = _told(bytes(head))
                self._head.clear()
                if websocket:
                    self._frames = Frames()
                    self._frames.follow(rest)


def _told(head: bytes) -> tuple[int, bool]:
    """The status of an answer's head, 500 where it is none, and whether a WebSocket begins behind it (RFC 6455 section 4.2.2)."""
    first, *fields = head.split(b"\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
        return 500, False
    status = int(words[1])
    lowered = [bytes(field).lower().replace(b" ", b"") for field in fields]
    return status, status == 101 and b"upgrade:websocket" in lowered
