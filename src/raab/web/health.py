"""/livez: the process answers. /readyz: it also wants traffic. One word each: what is wrong is for the log, not for the public."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from raab.web.context import CHECK, DRAINED, ROUTE, is_health
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Limit = Callable[[], AbstractContextManager[Any]]

_log = logging.getLogger(__name__)


class Check(NamedTuple):
    """Something that has a say in whether the service should get traffic: `ready` tells why it should not, None when it should."""

    name: str
    ready: Callable[[], str | None]


class Health:
    """Answers the two paths, and hands all else to `app`; those, too, where they are not for the `public` and a client asks."""

    def __init__(self, app: WSGIApplication, checks: Iterable[Check], public: bool) -> None:
        self._app, self._checks, self._public = app, tuple(checks), public

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_health(environ, self._public):
            return self._app(environ, start_response)
        environ[ROUTE] = environ["PATH_INFO"]
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            word, status = "is only read", "405 Method Not Allowed"
        elif environ["PATH_INFO"] == "/livez":
            word, status = "ok", "200 OK"
        else:
            word, status = self._readiness(environ)
        body = f"{word}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, [*headers, ("Allow", "GET, HEAD")] if status[:3] == "405" else headers)
        return () if method == "HEAD" else (body,)

    def _readiness(self, environ: WSGIEnvironment) -> tuple[str, str]:
        unavailable = "503 Service Unavailable"
        reasons = [f"{name}: {reason}" for name, reason in answers(self._checks) if reason is not None]
        if CHECK in environ:
            return ("; ".join(reasons), unavailable) if reasons else ("ok", "200 OK")
        for reason in reasons:
            _log.warning("not ready: %s", reason)
        if reasons:
            return "not ready", unavailable
        if drained():
            environ[DRAINED] = True
            return "draining", unavailable
        return "ok", "200 OK"


def drained() -> bool:
    """Whether `raab drain` has left its mark for the load balancer to see. In the runtime directory, so that a restart ends it."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return bool(folder) and Path(str(folder), "drain").exists()


def answers(checks: Iterable[Check], limit: Limit = nullcontext) -> Iterator[tuple[str, str | None]]:
    """Each that has a say, with its reason not to be sent traffic or None.

    `limit` makes a context for each of them, which may end it by raising an Exception.
    """
    for check in checks:
        try:
            with limit():
                reason = check.ready()
        except Exception as error:
            reason = f"it raised {type(error).__name__}: {error}"
        yield check.name, reason
