"""The time limits of requests: the application's, and its client's. A timer for each request would cost each; one watchman per worker
looks around once a second instead."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from typing import Any, Protocol

from raab.web.refusal import body_too_slow, too_slow
from raab.web.wsgi import WSGIEnvironment

_log = logging.getLogger(__name__)


class Timed(Protocol):
    """A request under way: `touched` is since when the application has not answered, in seconds of the performance counter, `sending` tells
    that it has; `ended_by` who has ended it."""

    environ: WSGIEnvironment
    touched: float
    sending: bool
    ended_by: str

    def abandon(self) -> None:
        """The worker ends."""


class Deadlines:
    """Ends requests whose application takes more than `seconds` until it answers, the time apart in which it waits for its client; and
    such as wait for a client that has moved nearly nothing for `client_seconds` (http1.ending.patience). An application may be silent for
    as long as it likes once it has begun to answer. What computes without ever waiting it cannot end; gunicorn's `timeout` ends that
    worker."""

    def __init__(self, seconds: int, client_seconds: int) -> None:
        # Here and not above: raab's commands and the development server do without gevent.
        import gevent

        from http1 import Patience
        from http1.ending.patience import waits

        self.seconds, self.client_seconds = seconds, client_seconds
        self._gevent = gevent
        self._patience, self._waits = Patience(client_seconds), waits
        self._flying: dict[Timed, Any] = {}
        self._watching = False
        # What a worker has under way is not under way in what it forks.
        os.register_at_fork(after_in_child=self._flying.clear)

    def enter(self, exchange: Timed) -> None:
        """Called in the greenlet that serves the request."""
        if not self._watching:
            self._watching = True
            self._gevent.spawn(self._watch)
        self._flying[exchange] = self._gevent.getcurrent()

    def leave(self, exchange: Timed) -> None:
        self._flying.pop(exchange, None)

    def flying(self) -> tuple[Timed, ...]:
        """All that are under way in this process."""
        return tuple(self._flying)

    def _watch(self) -> None:
        loop = self._gevent.get_hub().loop
        while True:
            self._gevent.sleep(1)
            now = time.perf_counter()
            # Ended in the hub, where nothing can come between the look and the throw.
            served = {exchange.environ["http1.answer"]: exchange for exchange in self._flying if not taken(exchange)}
            for answer, exchange in served.items():
                if self._waits(answer):
                    exchange.touched = now
                elif not exchange.sending and exchange.touched < now - self.seconds:
                    loop.run_callback(self._end_late, exchange)
            for answer in self._patience.lost_with(served, now):
                loop.run_callback(self._end_slow, served[answer])

    def _end_late(self, exchange: Timed) -> None:
        """The application has had its time."""
        if exchange in self._flying and not exchange.sending and exchange.touched < time.perf_counter() - self.seconds:
            self._throw(exchange, too_slow(self.seconds), f"after {self.seconds} s")

    def _end_slow(self, exchange: Timed) -> None:
        """The client has had its time. An answer that has begun can only be cut off: the server takes this for a client that has left, and
        adds nothing to it."""
        if exchange in self._flying and self._waits(exchange.environ["http1.answer"]):
            gone = BrokenPipeError(errno.EPIPE, "the client takes too long")
            error = gone if exchange.sending else body_too_slow(self.client_seconds)
            self._throw(exchange, error, f"as its client had hardly moved for {self.client_seconds} s")

    def _throw(self, exchange: Timed, error: BaseException, why: str) -> None:
        greenlet = self._flying.pop(exchange)
        exchange.ended_by = "time limit"
        _log.warning("request ended %s: %s %s", why, exchange.environ.get("REQUEST_METHOD"), exchange.environ.get("PATH_INFO"))
        greenlet.throw(error)


def taken(exchange: Timed) -> bool:
    """Whether there are no limits for it: its application has taken the connection over, or it is another server's."""
    answer = exchange.environ.get("http1.answer")
    return answer is None or answer.take_over()


def deadlines(seconds: int, client_seconds: int) -> Deadlines | None:
    """None where greenlets do not serve the requests, as on the development server."""
    monkey = sys.modules.get("gevent.monkey")
    return Deadlines(seconds, client_seconds) if monkey is not None and monkey.is_module_patched("socket") else None
