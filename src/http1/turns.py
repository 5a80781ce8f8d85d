"""Turns at the loop: who always finds more to do goes on when others have had theirs."""

from __future__ import annotations

from collections import deque

import gevent
from gevent.event import Event

from http1.limits import STEP_BYTES, TURN_BYTES

# Seconds: more than none, and over as soon as the loop has looked at its sockets.
_ROUND = 1e-6
# One for each that waits, in the order of their coming. There is one loop in a process that serves.
_waiting: deque[Event] = deque()


class Turn:
    """What one connection has done since others had their turn, in bytes' worth of work."""

    __slots__ = ("_done",)

    def __init__(self) -> None:
        self._done = 0

    def worked(self, size: int = 0) -> None:
        """One more step is done, and so many bytes of it were moved: after a while of this, others have their turn."""
        self._done += size + STEP_BYTES
        if self._done >= TURN_BYTES:
            self._done = 0
            give_way()


def give_way() -> None:
    """Goes on when all who can have had their turn: the loop has looked at every socket meanwhile. Of those that give way, however many
    they are, one goes on in each round of the loop, so that others wait for one of them at most.

    gevent.sleep(0) is no way: it goes on before the loop looks at sockets again, several greenlets by turns for many milliseconds.
    """
    mine = Event()
    _waiting.append(mine)
    if len(_waiting) == 1:
        gevent.spawn(_let_in)
    mine.wait()


def _let_in() -> None:
    while _waiting:
        gevent.sleep(_ROUND)
        first: Event = _waiting.popleft()
        first.set()
