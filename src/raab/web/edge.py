"""The outermost WSGI layer: what happens to every request, whichever application answers it. One call, no Flask hooks: it is paid for
by each request."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from raab.factory.logFactory import request_id
from raab.factory.settings import Settings
from raab.release import Release
from raab.web.access import AccessLog, Line
from raab.web.health import CHECK
from raab.web.proxies import TrustedProxies
from raab.web.wsgi import Headers, StartResponse, WSGIApplication, WSGIEnvironment

_LOOPBACK = ("127.0.0.1", "::1", "")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Wraps `app`: request id in and out, trusted proxies, security headers, the proof of the release, the access line."""

    def __init__(self, app: WSGIApplication, settings: Settings, release: Release, access: AccessLog | None) -> None:
        self.app = app
        self.access = access
        self.release = release
        self.headers = tuple((name, value) for name, value in settings.security.headers.items() if value)
        self.header_names = frozenset(name.lower() for name, _ in self.headers)
        self.proxies = TrustedProxies(settings.server.forwarded_allow_ips)
        self.max_body = settings.limits.body
        # Unique over workers and restarts without asking for randomness at each request.
        self._prefix = os.urandom(6).hex()
        self._count = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = Exchange(self, environ, start_response)
        try:
            exchange.body = self.app(environ, exchange.start)
        except BaseException:
            # gunicorn, or the development server, answers 500 and logs the traceback.
            exchange.close()
            raise
        return exchange

    def identify(self, environ: WSGIEnvironment, trusted: bool) -> str:
        """The request's id: a trusted proxy's, where it has sent a sound one, or our own."""
        given = environ.get("HTTP_X_REQUEST_ID") if trusted else None
        if given and _REQUEST_ID.fullmatch(given):
            return str(given)
        self._count += 1
        return f"{self._prefix}{self._count:08x}"


class Exchange:
    """One request and its response: the iterable that the server gets, which thereby learns when the response is over."""

    __slots__ = ("body", "edge", "environ", "id", "peer", "proof", "sent", "start_response", "started", "status")

    def __init__(self, edge: Edge, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self.started = time.perf_counter()
        self.edge, self.environ, self.start_response = edge, environ, start_response
        self.body: Iterable[bytes] = ()
        self.status, self.sent = 500, 0
        peer = environ.get("REMOTE_ADDR", "")
        # Asked for by raab itself on the host, before anything is believed about whom a proxy speaks for.
        self.proof = "HTTP_RAAB_PROOF" in environ and peer in _LOOPBACK and environ.get("PATH_INFO") == "/livez"
        trusted = edge.proxies.trusts(peer)
        self.peer = edge.proxies.believe(environ) if trusted else peer
        self.id = environ["raab.request_id"] = edge.identify(environ, trusted)
        request_id.set(self.id)

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Any:
        """WSGI's start_response, on its way to the server."""
        edge = self.edge
        self.status = int(status[:3])
        names = {name.lower() for name, _ in headers}
        if edge.header_names.isdisjoint(names):
            headers.extend(edge.headers)
        else:
            headers.extend(header for header in edge.headers if header[0].lower() not in names)
        if "x-request-id" not in names:
            headers.append(("X-Request-ID", self.id))
        if self.proof:
            headers.append(("Raab-Release", edge.release.id))
            headers.append(("Raab-Worker", str(os.getpid())))
        return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.body:
            self.sent += len(chunk)
            yield chunk

    def close(self) -> None:
        """Called by the server when the response is sent, or its client is gone."""
        close = getattr(self.body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            access = self.edge.access
            environ = self.environ
            if access is not None and CHECK not in environ:
                access.write(
                    Line(
                        time.time(),
                        self.id,
                        environ.get("REQUEST_METHOD", ""),
                        environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""),
                        environ.get("raab.route", ""),
                        self.status,
                        time.perf_counter() - self.started,
                        self.sent,
                        self.peer,
                    )
                )
