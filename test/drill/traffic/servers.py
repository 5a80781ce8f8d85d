"""Servers for the sender's tests: one that counts, and one that misbehaves in one chosen way."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Serve = Callable[[socket.socket], None]

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"release": "1"}'


@contextmanager
def serving(serve: Serve) -> Iterator[tuple[str, int]]:
    """Calls `serve` in a thread for every connection; the address while it does."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def heads(connection: socket.socket) -> Iterator[bytes]:
    """The requests of a connection, without bodies, until the client closes it."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        yield head


def reset(connection: socket.socket) -> None:
    """Ends the connection with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Counting:
    """A well-behaved server that counts the requests it answered; every `close_every`-th answer announces the connection's end."""

    def __init__(self, close_every: int = 0) -> None:
        self.count = 0
        self.connections = 0
        self._close_every = close_every
        self._lock = threading.Lock()

    def __call__(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
        for head in heads(connection):
            with self._lock:
                self.count += 1
                last = bool(self._close_every) and self.count % self._close_every == 0
            connection.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if last else OK)
            if last or b"Connection: close" in head:
                return


def sometimes(bad: Serve, every: int) -> tuple[Serve, list[int]]:
    """A server that behaves, except that each `every`-th request is answered by `bad` and the connection ended; and the count of those."""
    lock, seen, spoilt = threading.Lock(), [0], [0]

    def serve(connection: socket.socket) -> None:
        for head in heads(connection):
            with lock:
                seen[0] += 1
                now = seen[0] % every == 0
                spoilt[0] += now
            if now:
                bad(connection)
                return
            connection.sendall(OK)
            if b"Connection: close" in head:
                return

    return serve, spoilt


def after_nothing(connection: socket.socket) -> None:
    """Closes without a byte."""


def with_reset(connection: socket.socket) -> None:
    reset(connection)


def within_head(connection: socket.socket) -> None:
    connection.sendall(OK[:20])


def within_body(connection: socket.socket) -> None:
    connection.sendall(OK[:-5])


def reset_within_body(connection: socket.socket) -> None:
    connection.sendall(OK[:-5])
    time.sleep(0.05)
    reset(connection)


def within_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


def unavailable(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def not_found(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def nonsense(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")


def silence(connection: socket.socket) -> None:
    time.sleep(5)
