"""The open connections of one worker: how many find a place, and which are ended from outside."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable
from typing import Any

from gevent.pool import Pool

from handover.outside.sockets import nobody_waits
from handover.workers.connection import end, end_unless_asked
from http1 import Connection, Goodbyes, Patience, end_deserted

# Seconds for which a new connection may be silent or half-way through a head, and a served one idle, before it may have to make room for
# another one. A client sends its head with the end of the handshake.
YOUNG, IDLE = 0.1, 1.0


class Connections:
    """All of them, each with a place in the pool of its listener."""

    def __init__(self) -> None:
        # In the order in which they were accepted.
        self._open: dict[Connection, Pool] = {}
        self._listeners: dict[Pool, Any] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def held(self) -> int:
        """How many places are taken, also by such as were accepted a moment ago and have not had their first turn yet."""
        return sum(map(len, self._listeners))

    @property
    def full(self) -> bool:
        """Whether a listener's next connection would find no place."""
        return any(pool.full() for pool in self._listeners)

    def pool(self, listener: Any, size: int) -> Pool:
        """Places for the connections of a listener. Of its own, so that a flood at one listener leaves the others open."""
        pool = Pool(size)
        self._listeners[pool] = listener
        return pool

    def serve(self, connection: Connection, pool: Pool, making_room: bool) -> None:
        """Serves it to its end. `making_room`: if it takes the last place, another one may have to go for the next to find one."""
        self._open[connection] = pool
        if making_room:
            self._make_room(pool)
        try:
            connection.serve()
        finally:
            del self._open[connection]

    def make_room(self) -> None:
        """Ends one connection of each full pool, if there is one that is no request."""
        for pool in self._listeners:
            self._make_room(pool)

    def _make_room(self, pool: Pool) -> None:
        """Ends a connection of a full pool that is no request, so that the next one finds a place: the oldest that has never sent a whole
        head, has begun another one and not ended it, or has been told all and does not leave; or, when others wait already, the one that
        has been idle for longest. What is young is let be: its head may be on its way."""
        if not pool.full():
            return
        now = time.monotonic()
        # In the order of their coming, and no further than needed: under attack this is asked at each connection.
        if _end_first(one for one, its in self._open.items() if its is pool and _useless(one) and now - one.since >= YOUNG):
            return
        if not nobody_waits(self._listeners[pool]):
            idle = (one for one, its in self._open.items() if its is pool and one.waiting and not _useless(one) and now - one.since >= IDLE)
            _end_first(sorted(idle, key=lambda one: one.since))

    def end_idle(self, until: float = math.inf) -> None:
        """Ends those that have waited for a request until that moment, and on which none has arrived."""
        for connection in list(self._open):
            if connection.overdue(until):
                with contextlib.suppress(OSError):
                    end_unless_asked(connection.client.fileno())

    def end_slow(self, patience: Patience, now: float) -> None:
        """Ends those whose request waits for a client which hardly moves. What lasts waits for its client by nature, until that is told."""
        answers = [one.answer for one in self._open if one.answer and not one.waiting and (one.told or not one.lasting)]
        for answer in patience.lost_with(answers, now):
            # Its client would have gone on, however slowly.
            answer.aborted = "worker"
            with contextlib.suppress(OSError):
                end(answer.client.fileno())

    def end_deserted(self) -> None:
        """Ends event streams that nobody listens to any more."""
        end_deserted(self._open)

    def say_goodbye(self, goodbyes: Goodbyes, now: float) -> None:
        """Ends those that last, as many as are due."""
        goodbyes.say(self._open, now)


def _useless(connection: Connection) -> bool:
    """Whether it waits for the rest of a head, has never sent a whole one, or is told no more."""
    return connection.parting or (connection.waiting and (connection.half or not connection.served))


def _end_first(connections: Iterable[Connection]) -> bool:
    """Ends the first of them on which nothing has arrived that would be lost; tells whether there was one."""
    for connection in connections:
        with contextlib.suppress(OSError):
            if end_unless_asked(connection.client.fileno(), connection.half or connection.parting):
                return True
    return False
