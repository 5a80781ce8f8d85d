"""How a connection ends: what its client still sends is thrown away, by a bound of bytes and of seconds; half an answer is a reset."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

import gevent

from http1.limits import FAREWELL_BYTES, FAREWELL_SECONDS, PIECE_BYTES, REST_BYTES
from http1.request.body import Body
from http1.turns import Turn

# What nobody reads all may write to; one of 64 KiB each would be much for a thousand.
_WASTE = bytearray(PIECE_BYTES)


def finish(body: Body) -> bool:
    """Throws the rest of a request's body away; whether the next request can be read after it."""
    left = REST_BYTES
    with gevent.Timeout(FAREWELL_SECONDS, False), contextlib.suppress(OSError):  # type: ignore[arg-type]  # False: silently
        while left > 0 and not body.done:
            left -= len(body.take(PIECE_BYTES))
    return body.done


def part(client: Any, turn: Turn) -> None:
    """Says that nothing more will come, and listens until the client has seen it and leaves.

    To close at once while it still sends would reset the connection, and the client might lose what was sent to it (RFC 9112 section 9.6).
    """
    left = FAREWELL_BYTES
    with gevent.Timeout(FAREWELL_SECONDS, False), contextlib.suppress(OSError):  # type: ignore[arg-type]  # False: silently
        client.shutdown(socket.SHUT_WR)
        while left > 0 and (size := client.recv_into(_WASTE)):
            left -= size
            turn.worked(size)


def reset_at_close(client: Any, wanted: bool) -> None:
    """Has a connection reset by whatever closes it, be it the end of the process (socket(7), SO_LINGER): its client, a proxy perhaps that
    keeps a copy, shall not take half of an answer for the whole. There is no such thing for a UNIX socket."""
    with contextlib.suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", wanted, 0))
