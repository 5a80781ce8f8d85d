"""What a client sends, in order: the only place that receives."""

from __future__ import annotations

import re
import socket
import time
from http import HTTPStatus
from typing import Any

from http1.errors import BodyError, Refused, bad
from http1.limits import DRIP_SECONDS, GATHERED_BYTES, PIECE_BYTES, STEP_BYTES, Limits
from http1.turns import Turn, give_way

# A head fits into it nearly always.
_FIRST = 16_384
_END = b"\r\n\r\n"
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Reader:
    """Bytes from `client`, a gevent socket; to receive them is work of `turn`. What was received and not asked for yet is kept.

    `half_since` is when the first bytes of a head came that has not come whole yet, in seconds of the monotonic clock.
    """

    __slots__ = ("_at", "_client", "_drips", "_drips_since", "_emptied", "_kept", "half_since", "turn")

    def __init__(self, client: Any, turn: Turn) -> None:
        self._client, self.turn = client, turn
        # Received and not taken yet, from `_at` on: a position, as cutting off each piece would copy the rest each time.
        self._kept, self._at = b"", 0
        self.half_since: float | None = None
        # Of a body: whether nothing was left in the kernel, since when pieces of it have been small, and whether that has lasted.
        self._emptied, self._drips = False, False
        self._drips_since: float | None = None

    @property
    def holds(self) -> bool:
        """Whether something has been received that nobody has asked for."""
        return self._at < len(self._kept)

    def head(self, limits: Limits) -> bytes | None:
        """The next request's head, up to and with its empty line; None when the client sends no more.

        Raises Refused as soon as it is clear that no sound head will come. One empty line before it is let be (RFC 9112 section 2.2).
        """
        if self.holds:
            # The next request was sent without waiting for the answer: others have their turn first.
            give_way()
            data = self._kept[self._at :] if self._at else self._kept
            self._kept, self._at = b"", 0
        else:
            # Waited for before it is asked for: nothing is there yet, and to be told so by an exception takes longer.
            self._client._wait(self._client._read_event)
            data = self._client.recv(_FIRST)
        if data[:1] == b"\r":
            data = self._without_empty_line(data)
        end = data.find(_END)
        if end < 0:
            data = self._gather(data, limits)
            end = data.find(_END)
            if end < 0:
                return None
        if end + 4 < len(data):
            self._kept, self._at = data, end + 4
            return data[: end + 4]
        return data

    def _without_empty_line(self, data: bytes) -> bytes:
        if data == b"\r":
            data += self._client.recv(_FIRST)
        return data.removeprefix(b"\r\n")

    def _gather(self, first: bytes, limits: Limits) -> bytes:
        """The data that a whole head is in; without one when the client sends no more."""
        data, looked = bytearray(first), 0
        self.half_since = time.monotonic()
        try:
            while data.find(_END, looked) < 0:
                hopeless(data, looked, limits)
                looked = max(0, len(data) - 3)
                self._client._wait(self._client._read_event)
                piece = self._client.recv(_FIRST)
                if not piece:
                    return b""
                data += piece
        except Refused as refused:
            refused.read = bytes(data[:PIECE_BYTES])
            raise
        finally:
            self.half_since = None
        return bytes(data)

    def take(self, most: int, needed: int = 1) -> bytes:
        """The next bytes, one at least and `most` at most; fewer than `needed` are of no use to anybody yet.

        Raises BodyError when the client sends no more.
        """
        if self._at >= len(self._kept):
            # By the byte, each would cost a system call.
            data = self._receive(max(most, _FIRST), needed)
            if len(data) <= most:
                return data
            self._kept, self._at = data, 0
        begun = self._at
        self._at = min(len(self._kept), begun + most)
        self.turn.worked()
        return self._kept[begun : self._at]

    def line(self, most: int) -> bytes:
        """The next line, without its CRLF, with `most` bytes at most. Raises BodyError."""
        looked = self._at
        while (end := self._kept.find(b"\r\n", looked)) < 0:
            # The CR of its end may have come without the LF.
            if len(self._kept) - self._at > most + 1 or b"\n" in self._kept[looked:]:
                raise BodyError("a line of a chunked body is too long, or does not end in CRLF")
            looked = max(0, len(self._kept) - self._at - 1)
            self._kept, self._at = self._kept[self._at :] + self._receive(_FIRST), 0
        if end - self._at > most:
            raise BodyError("a line of a chunked body is too long")
        line, self._at = self._kept[self._at : end], end + 2
        return line

    def _receive(self, most: int, needed: int = 1) -> bytes:
        size = min(most, PIECE_BYTES)
        try:
            if self._emptied:
                # As in `head`; and what is poured in lets others have their turn.
                self._wait(needed)
            data: bytes = self._client.recv(size)
        except OSError as error:
            # What becomes of it takes a while, and a thousand clients may leave at once.
            give_way()
            raise BodyError(f"the body cannot be received: {error}") from error
        if not data:
            give_way()
            raise BodyError("the body ends before its time")
        self._emptied = len(data) < size
        if len(data) >= STEP_BYTES:
            self._drips_since = None
        elif self._drips_since is None:
            self._drips_since = time.monotonic()
        self.turn.worked(len(data))
        return data

    def _wait(self, needed: int) -> None:
        """Until something is there to be received. Of who drips not each byte: the kernel tells when what is needed is there, or enough of
        it, or no more will come (socket(7), SO_RCVLOWAT). Not at once: an unread byte may be acknowledged some 40 ms later, for which one
        who sends by small pieces waits (tcp(7), TCP_NODELAY). A UNIX socket knows no such thing, and tells of each."""
        client = self._client
        if not self._drips and self._drips_since is not None:
            self._drips = time.monotonic() - self._drips_since >= DRIP_SECONDS
        if not self._drips or needed == 1:
            client._wait(client._read_event)
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(needed, GATHERED_BYTES))
        try:
            client._wait(client._read_event)
        finally:
            # Whatever is waited for next, each byte counts.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def hopeless(data: bytes | bytearray, looked: int, limits: Limits) -> None:
    """Raises Refused for a beginning that no sound head has; what lies before `looked` was seen to be sound."""
    line = data.find(b"\r\n", 0, limits.line + 3)
    if line < 0 and len(data) > limits.line + 1:
        raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"the request line has more than {limits.line} bytes")
    if len(data) > limits.head:
        raise Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head has more than {limits.head} bytes")
    # A line that ends otherwise would be waited for in vain.
    if _BARE_LF.search(data, looked):
        raise bad("a line does not end in CRLF")
