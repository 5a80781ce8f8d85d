"""One accepted connection, and its end."""

from __future__ import annotations

import _socket
import fcntl
import math
import os
import socket
import termios
import time
from dataclasses import dataclass
from typing import Any


class Connection:
    """One accepted connection, and the context of each wait for a request's head: `waiting` meanwhile, at most `until`.

    The first head has `seconds` to arrive, each further one `keepalive`. A timer for each, as gunicorn has it, would cost each
    request; the worker looks around once a second instead (`_end_idle`).
    """

    __slots__ = ("client", "keepalive", "seconds", "until", "waiting")

    def __init__(self, client: socket.socket, seconds: float, keepalive: float) -> None:
        self.client = client
        self.seconds, self.keepalive = seconds, keepalive
        self.waiting, self.until = True, math.inf

    def __enter__(self) -> None:
        self.waiting, self.until = True, time.monotonic() + self.seconds

    def __exit__(self, *_: object) -> None:
        self.waiting = False
        self.seconds = self.keepalive


@dataclass(frozen=True)
class Name:
    """All that gunicorn asks of a listener while it serves a connection (workers/base_async.py, handle).

    Asked of the socket itself, a connection accepted just before the socket was closed would be lost to EBADF.
    """

    address: Any

    def getsockname(self) -> Any:
        return self.address


def end(fd: int) -> None:
    """Shut a connection down by the kernel's shutdown(2): gevent's fails whoever waits for it with an error of its own."""
    plain = _socket.socket(fileno=os.dup(fd))
    try:
        plain.shutdown(socket.SHUT_RDWR)
    finally:
        plain.close()


def end_unless_asked(fd: int) -> None:
    """Shut a connection down if nothing has arrived on it that nobody has read (tcp(7), SIOCINQ, which is FIONREAD).

    A request that arrives between the look and the end is lost; these lie microseconds apart. Shut for reading only, that were as long
    as its reader takes to wake up and close it.
    """
    if not any(fcntl.ioctl(fd, termios.FIONREAD, bytes(4))):
        end(fd)
