"""The outermost WSGI layer: what happens to every request, whichever application answers it. One call, no Flask hooks: it is paid for
by each request."""

from __future__ import annotations

import atexit
import re
import sys
import time
from collections.abc import Iterable
from typing import Protocol

from raab.metrics.slot import LazySlot
from raab.release import Release
from raab.settings.schema import Settings, asked_by_edge
from raab.web.believed.hosts import Hosts
from raab.web.believed.proxies import Proxies
from raab.web.bodies.limited import LimitedInput
from raab.web.context import BODY
from raab.web.edge.access import AccessLog, Line
from raab.web.edge.deadline import deadlines
from raab.web.edge.exchange import Exchange, Rules
from raab.web.edge.ids import new_id
from raab.web.refusal import Refusal
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_METHOD = re.compile(rb"[A-Z]{1,20}")


class Refused(Protocol):
    """What the server tells of a request that it has refused (http1.Refusal)."""

    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def line(self) -> bytes: ...
    @property
    def sent(self) -> int: ...


class Edge:
    """Wraps `app`: request id in and out, trusted proxies, limits, security headers, the proof of the release, the access line."""

    def __init__(self, app: WSGIApplication, settings: Settings, release: Release, access: AccessLog | None) -> None:
        self.app = app
        headers = tuple((name, value) for name, value in settings.security.headers.items() if value)
        self.rules = Rules(
            headers=headers,
            header_names=frozenset(name.lower() for name, _ in headers),
            release=release,
            proxies=Proxies(
                settings.server.forwarded_allow_ips,
                settings.server.forwarded_headers,
                asked_by_edge() if settings.server.edge else "",
                settings.server.edges,
            ),
            deadlines=deadlines(settings.limits.request, settings.limits.client),
            access=access,
            slot=LazySlot.of_service(),
        )
        self.hosts = Hosts(settings.security.hosts, settings.server.public_health)
        self.max_body = settings.limits.body
        atexit.register(self.abandon)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = Exchange(self.rules, environ, start_response)
        try:
            if environ.get("HTTP_HOST") not in self.hosts.known:
                self.hosts.check(environ)
            if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
                self.limit(environ)
            exchange.body = self.app(environ, exchange.start)
            exchange.sending = True
        except Refusal as refusal:
            exchange.refuse(refusal)
        except BaseException as error:
            exchange.fail(error)
        return exchange

    def abandon(self) -> None:
        """The process ends: what is still under way has its line and its count, too."""
        if self.rules.deadlines is not None:
            for exchange in self.rules.deadlines.flying():
                exchange.abandon()
        if self.rules.access is not None:
            self.rules.access.flush()

    def refused(self, refusal: Refused) -> None:
        """Called by the server for a request that is none, or whose head is larger than the limits: it has its line and its count, too."""
        method, path = read_of(refusal.line)
        slot = self.rules.slot.get() if self.rules.slot is not None else None
        if slot is not None:
            slot.refuse(method, refusal.status, refusal.sent)
        if self.rules.access is not None:
            self.rules.access.write(
                Line(time.time(), new_id(), method, path, "", refusal.status, 0.0, refusal.sent, refusal.peer, refused=refusal.reason)
            )

    def limit(self, environ: WSGIEnvironment) -> None:
        """Has reading a body raise Refusal when it is too large, or ends too early. Who knows where the request goes may allow more, and
        refuses at once what is told to be larger (web.bodies).

        For mounted applications above all: Flask has the same limit, but only for views that look at the body.
        """
        told: str | None = environ.get("CONTENT_LENGTH")
        length = None
        if told:
            # Python refuses to read a number of thousands of digits, which is too large in any case.
            length = int(told) if told.isdecimal() and len(told) <= 15 else sys.maxsize
        environ["wsgi.input"] = environ[BODY] = LimitedInput(environ["wsgi.input"], length, self.max_body)


def read_of(line: bytes) -> tuple[str, str]:
    """Method and path of what was read of a request line; empty where there is none."""
    method, _, rest = line.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    return method.decode("latin-1") if _METHOD.fullmatch(method) else "", path.decode("latin-1")
