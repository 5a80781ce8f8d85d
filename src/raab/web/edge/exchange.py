"""One request and its response."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from raab.metrics.slot import LazySlot
from raab.release import Release
from raab.web.believed.proxies import Proxies
from raab.web.context import CHECK, DRAINED, MOUNT, PROOF, ROUTE, request_id
from raab.web.edge.access import AccessLog, Line
from raab.web.edge.deadline import Deadlines
from raab.web.edge.ids import new_id
from raab.web.edge.proof import asked_by_activation
from raab.web.frameworks import route_of
from raab.web.refusal import Refusal
from raab.web.wsgi import Headers, StartResponse, WSGIEnvironment

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PIECE = 65536
_LOOPBACK = ("127.0.0.1", "::1", "")


@dataclass(frozen=True)
class Rules:
    """What holds for every exchange. `headers` are those of security, `header_names` the same ones' names in lower case; None is what
    there is not."""

    headers: tuple[tuple[str, str], ...]
    header_names: frozenset[str]
    release: Release
    proxies: Proxies
    deadlines: Deadlines | None
    access: AccessLog | None
    slot: LazySlot | None


class Exchange:
    """One request and its response: the iterable that the server gets, which thereby learns when the response is over.

    `touched` is since when the application's time runs; `sending` tells that it has answered.
    `begun`: a part of the answer has been given to the server; `whole`: all of it has; `failed`: the application has raised instead.
    `ended_by`: one of metrics.layout's ABORTERS that has ended it, as far as that is known before its end.
    """

    __slots__ = (
        "begun",
        "body",
        "ended_by",
        "environ",
        "failed",
        "id",
        "method",
        "path",
        "peer",
        "proof",
        "rules",
        "sending",
        "sent",
        "slot",
        "start_response",
        "started",
        "status",
        "touched",
        "whole",
    )

    def __init__(self, rules: Rules, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self.started = self.touched = time.perf_counter()
        self.rules, self.environ, self.start_response = rules, environ, start_response
        self.body: Iterable[bytes] = ()
        # No status yet: nobody has started an answer.
        self.status, self.sent, self.sending = 0, 0, False
        self.begun, self.whole, self.failed, self.ended_by = False, False, False, ""
        peer = environ.get("REMOTE_ADDR", "")
        # Asked for by raab itself on the host, before anything is believed about whom a proxy speaks for.
        self.proof = (
            "HTTP_RAAB_PROOF" in environ
            and peer in _LOOPBACK
            and environ.get("PATH_INFO") == "/livez"
            and asked_by_activation(environ["HTTP_RAAB_PROOF"])
        )
        if self.proof:
            environ[PROOF] = True
        self.peer = rules.proxies.settle(environ)
        self.id = given_id(environ) or new_id()
        # As they were asked for, whatever a middleware makes of them.
        self.method = environ.get("REQUEST_METHOD", "")
        self.path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        # Where the application, mounted ones with their own habits included, looks for the id that a proxy gave.
        environ["HTTP_X_REQUEST_ID"] = self.id
        request_id.set(self.id)
        if rules.deadlines is not None:
            rules.deadlines.enter(self)
        self.slot = rules.slot.get() if rules.slot is not None and CHECK not in environ else None
        if self.slot is not None:
            self.slot.enter()

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """WSGI's start_response, on its way to the server."""
        rules = self.rules
        self.status = int(status[:3])
        # To look for it costs a tenth of what a hook of Flask's does.
        route = route_of(self.environ)
        if route is not None:
            self.environ[ROUTE] = self.environ.get(MOUNT, "") + route
        names = {name.lower() for name, _ in headers}
        # A list of our own: an application may use its one for every answer.
        if rules.header_names.isdisjoint(names):
            headers = [*headers, *rules.headers]
        else:
            headers = [*headers, *(header for header in rules.headers if header[0].lower() not in names)]
        if "x-request-id" not in names:
            headers.append(("X-Request-ID", self.id))
        if self.proof:
            headers.append(("Raab-Release", rules.release.id))
            headers.append(("Raab-Worker", str(os.getpid())))
        return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)

    def refuse(self, refusal: Refusal) -> None:
        """Called while the refusal is being handled. Where the application has started an answer already, this one takes its place."""
        status, headers, body = refusal.response(self.id, self.environ.get("HTTP_ACCEPT", ""))
        self.start(status, headers, sys.exc_info() if self.status else None)
        self.body, self.sending = (body,), True

    def fail(self, error: BaseException) -> None:
        """The application has raised instead of answering. The server is to find out where it does with an answer that fails while it is
        made: so there is one way to answer 500 and to log the traceback, and it has been gone when `close` is called."""
        self.body, self.sending = raising(error), True

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self.body:
                # In one piece, a large answer would have to be taken within the time limit as a whole.
                for piece in (chunk,) if len(chunk) <= _PIECE else pieces(chunk):
                    self.begun = True
                    yield piece
                    self.sent += len(piece)
            self.whole = True
        except GeneratorExit:
            # The server asks for no more, since nobody takes it.
            raise
        except BaseException:
            self.failed = True
            raise

    def close(self) -> None:
        """Called by the server when the response is sent, or its client is gone."""
        if self.rules.deadlines is not None:
            self.rules.deadlines.leave(self)
        close = getattr(self.body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self.record(*self._outcome())

    def abandon(self) -> None:
        """The worker ends, and with it all that it has under way."""
        status, sent, _ = self._outcome()
        self.record(status, sent, "worker")

    def record(self, status: int, sent: int, aborted: str) -> None:
        """Counts the request, and writes its line."""
        rules, environ = self.rules, self.environ
        seconds = time.perf_counter() - self.started
        method, route = self.method, environ.get(ROUTE, "")
        if self.slot is not None:
            self.slot.leave()
            self.slot.observe(method, route, status, seconds, sent, aborted, ours=self.proof or DRAINED in environ)
        if rules.access is not None and CHECK not in environ:
            rules.access.write(Line(time.time(), self.id, method, self.path, route, status, seconds, sent, self.peer, aborted))

    def _outcome(self) -> tuple[int, int, str]:
        """Status and bytes of the body as they went over the wire, and who ended the answer before its end, or nobody.

        A server that knows tells (http1.answer); any other one sends what it is given, and 500 where nothing was given before the error.
        """
        answer = self.environ.get("http1.answer")
        if answer is not None:
            answer.take_over()
            status, sent, aborted = answer.status, answer.sent, answer.aborted or ""
        elif self.failed and not self.begun:
            status, sent, aborted = 500, 0, ""
        else:
            status, sent, aborted = self.status or 500, self.sent, "" if self.whole else "application" if self.failed else "client"
        return status, sent, (self.ended_by or aborted) if aborted else ""


def raising(error: BaseException) -> Iterator[bytes]:
    """A body that cannot be made."""
    raise error
    yield b""


def pieces(chunk: bytes) -> Iterator[bytes]:
    """The chunk in pieces of at most _PIECE bytes."""
    return (chunk[start : start + _PIECE] for start in range(0, len(chunk), _PIECE))


def given_id(environ: WSGIEnvironment) -> str | None:
    """The request id that came with the request and is believed, when it is fit to stand in a header and a log line."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else None
