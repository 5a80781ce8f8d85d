"""Whom nobody waits for for ever: clients that send their body, or take their answer, by the byte."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator

from http1.answer import Answer

# Bytes a second that a client has to move at least, on average over a window. That of Apache's mod_reqtimeout.
RATE = 500


class Patience:
    """Looks at answers again and again, and finds those whose client has moved too little for `window` seconds on end."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._seen: dict[Answer, tuple[float, int]] = {}

    def lost_with(self, answers: Iterable[Answer], now: float) -> Iterator[Answer]:
        """Those whose client is too slow; `now` in seconds of the monotonic clock. An application's own time is not the client's."""
        before, self._seen = self._seen, {}
        for answer in answers:
            if not waits(answer):
                continue
            since, then = before.get(answer) or (now, moved(answer))
            if now - since < self._window:
                # The kernel is not asked at each look: of a thousand slow clients, that would keep all others waiting for milliseconds.
                self._seen[answer] = since, then
            elif (count := moved(answer)) - then < RATE * self._window:
                yield answer
            else:
                self._seen[answer] = now, count


def waits(answer: Answer) -> bool:
    """Whether a greenlet waits for the client to send or to take something."""
    return bool(answer.client._read_event.active or answer.client._write_event.active)


def moved(answer: Answer) -> int:
    """A number that grows with each byte that the client sends or takes."""
    with contextlib.suppress(OSError, struct.error):
        # tcp(7), TCP_INFO: bytes_acked and bytes_received. Of what lies in the kernel only this tells.
        acked, received = struct.unpack_from("QQ", answer.client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136), 120)
        return int(acked + received)
    answer.take_over()
    return answer.sent + (answer.body.taken if answer.body is not None else 0)
