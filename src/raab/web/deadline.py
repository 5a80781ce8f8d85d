"""The time limit of requests. A timer for each would cost each; one watchman per worker looks around once a second instead."""

from __future__ import annotations

import errno
import logging
import math
import os
import sys
import time
from typing import Any, Protocol

from raab.web.refusal import Refusal, body_too_slow, too_slow
from raab.web.wsgi import WSGIEnvironment

_log = logging.getLogger(__name__)


class Timed(Protocol):
    """A request under way: `touched` is when something happened last, `sending` tells that the application is done, `ended_by` who has
    ended it."""

    environ: WSGIEnvironment
    touched: float
    sending: bool
    ended_by: str

    def abandon(self) -> None:
        """The worker ends."""


class Deadlines:
    """Ends requests that take more than `seconds`: until the application has answered, or, after that, without the client taking
    the next part of the answer. What computes without ever waiting it cannot end; gunicorn's `timeout` ends that worker."""

    def __init__(self, seconds: int) -> None:
        # Here and not above: raab's commands and the development server do without gevent.
        import gevent

        self.seconds = seconds
        self._gevent = gevent
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
        while True:
            self._gevent.sleep(1)
            latest = time.perf_counter() - self.seconds
            for exchange in [exchange for exchange in self._flying if exchange.touched < latest]:
                # In the hub, where nothing can come between the look and the throw.
                self._gevent.get_hub().loop.run_callback(self._end, exchange)

    def _end(self, exchange: Timed) -> None:
        if exchange not in self._flying or exchange.touched >= time.perf_counter() - self.seconds:
            return
        environ = exchange.environ
        answer = environ.get("http1.answer")
        if answer is not None and answer.take_over():
            # It is under way, but a request no longer.
            exchange.touched = math.inf
            return
        greenlet, exchange.ended_by = self._flying.pop(exchange), "time limit"
        _log.warning("request ended after %s s: %s %s", self.seconds, environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
        # An answer that has begun can only be cut off. The server takes this for a client that has left, and adds nothing to it.
        greenlet.throw(BrokenPipeError(errno.EPIPE, "request took too long") if exchange.sending else self._refusal(environ))

    def _refusal(self, environ: WSGIEnvironment) -> Refusal:
        """Whose fault it is: the application may be waiting for nothing but its client's body."""
        client = environ.get("gunicorn.socket")
        return body_too_slow(self.seconds) if client is not None and client._read_event.active else too_slow(self.seconds)


def deadlines(seconds: int) -> Deadlines | None:
    """None where greenlets do not serve the requests, as on the development server."""
    monkey = sys.modules.get("gevent.monkey")
    return Deadlines(seconds) if monkey is not None and monkey.is_module_patched("socket") else None
