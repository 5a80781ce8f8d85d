"""The end of a connection, by somebody else than who serves it."""

from __future__ import annotations

import _socket
import fcntl
import os
import socket
import termios


def end(fd: int) -> None:
    """Shut a connection down by the kernel's shutdown(2): gevent's fails whoever waits for it with an error of its own."""
    plain = _socket.socket(fileno=os.dup(fd))
    try:
        plain.shutdown(socket.SHUT_RDWR)
    finally:
        plain.close()


def end_unless_asked(fd: int, half: bool = False) -> bool:
    """Shut a connection down if nothing has arrived on it that nobody has read (tcp(7), SIOCINQ, which is FIONREAD); whether it was.

    With `half` of a request there in any case: it may never be whole. A request that arrives between the look and the end is lost; these
    lie microseconds apart. Shut for reading only, that were as long as its reader takes to wake up and close it.
    """
    if not half and any(fcntl.ioctl(fd, termios.FIONREAD, bytes(4))):
        return False
    end(fd)
    return True
