"""One application elsewhere on the network, that requests are forwarded to, and whether it is worth asking."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ProtocolError
from urllib3.response import BaseHTTPResponse, HTTPResponse

from raab.web.elsewhere.tunnel import given

# Seconds for a connection to be made, and for each part of a body to be taken.
CONNECT = 5.0
# Seconds for which one that cannot be reached is left out.
OUT = 10.0
# Connections that are kept open for the next request: as many as a worker may hold of its clients (server.worker_connections).
_KEPT = 1000

_log = logging.getLogger(__name__)


class BodyFailed(Exception):
    """The client's body could not be read to its end; the cause is what the server raised. No OSError, of which urllib3 takes some for
    the upstream's and goes on as if the request were whole."""


class _Patient(HTTPConnection):
    """Once an answer has begun, it may be as silent as it likes: it is the client's progress that is watched."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 has one of its own, which is no http.client's
        # A connection that the answer closes is the answer's afterwards, and no more to be had of self.
        sock = self.sock
        response = super().getresponse()
        sock.settimeout(None)
        return response


class _PatientTLS(_Patient, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Patient


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PatientTLS


class Upstream:
    """`url` is its scheme, host, port and perhaps a path before every other one; `seconds` the time that it may take to answer.

    One that cannot be reached is left out for OUT seconds; then one request tries it, while the others still go past it.
    """

    def __init__(self, url: str, seconds: float) -> None:
        parts = urlsplit(url)
        self.name = url
        self.path = parts.path.rstrip("/")
        self.active = 0
        self._out_until = 0.0
        make = _TLSPool if parts.scheme == "https" else _Pool
        options: dict[str, Any] = {"timeout": urllib3.Timeout(connect=CONNECT, read=seconds), "retries": False, "maxsize": _KEPT}
        self._kept = make(parts.hostname or "", parts.port, **options)
        self._once = make(parts.hostname or "", parts.port, **options)

    @property
    def out(self) -> bool:
        """Whether it is to be left out for now."""
        return self._out_until > time.monotonic()

    def tried(self) -> None:
        """Says that a request goes to it: where it was left out before, the others wait for what comes of it."""
        if self._out_until:
            self._out_until = time.monotonic() + OUT

    def leave_out(self, reason: Exception) -> None:
        """Leaves it out for OUT seconds from now."""
        if not self._out_until:
            _log.warning("%s is left out for %g s at a time, got %s: %s", self.name, OUT, type(reason).__name__, reason)
        self._out_until = time.monotonic() + OUT

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Iterator[bytes] | None, fresh: bool) -> BaseHTTPResponse:
        """The answer's head; its body is still to be read. With `fresh` by a connection that was not used before and is not used again,
        unless `headers` say what becomes of it.

        A kept one may be closed by the other side in the very moment in which a request is sent on it. Raises urllib3's errors, and
        BodyFailed.
        """
        pool = self._once if fresh else self._kept
        if fresh:
            headers = {"Connection": "close", **headers}
        response = pool.urlopen(
            method, self.path + target, body=body, headers=headers,
            redirect=False, preload_content=False, decode_content=False,
        )  # fmt: skip
        if wrong := unsound(response, headers):
            response.close()
            raise ProtocolError(f"{self.name} {wrong}")
        if self._out_until:
            self._out_until = 0.0
            _log.info("%s answers again", self.name)
        return response


def unsound(response: BaseHTTPResponse, asked: Mapping[str, str]) -> str:
    """What is wrong with an answer whose end nobody can be sure of; empty where nothing is. http.client lets it pass. `asked` are the
    request's headers."""
    if response.status < HTTPStatus.OK and not ("Upgrade" in asked and given(response)):
        # It takes any interim answer but 100 for the answer, and would take the answer for that of the next request.
        return f"sent an interim answer, got {response.status}"
    lengths = set(response.headers.getlist("Content-Length"))
    if len(lengths) > 1 or not all(length.isdecimal() for length in lengths):
        return f"sent no sound length, got {', '.join(sorted(lengths))}"
    return ""
