"""/livez and /readyz before an application that is not raab's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from raab.web.context import CHECK, DRAINED, asked_by_raab, is_health
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)


class Health:
    """Answers the two paths, and hands all else to `app`. `ready` tells why the service should get no traffic yet, None when it should."""

    def __init__(self, app: WSGIApplication, ready: Callable[[], str | None] | None, public: bool) -> None:
        self._app, self._ready, self._public = app, ready, public

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_health(environ, self._public):
            return self._app(environ, start_response)
        word, status = ("ok", "200 OK") if environ["PATH_INFO"] == "/livez" else self._readiness(environ)
        body = f"{word}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)

    def _readiness(self, environ: WSGIEnvironment) -> tuple[str, str]:
        reason = self.reason()
        if reason is not None:
            if CHECK not in environ:
                # What is wrong is for the log, not for the public.
                _log.warning("not ready: %s", reason)
            return (reason if CHECK in environ else "not ready"), "503 Service Unavailable"
        if drained() and not asked_by_raab(environ):
            environ[DRAINED] = True
            return "draining", "503 Service Unavailable"
        return "ok", "200 OK"

    def reason(self) -> str | None:
        if self._ready is None:
            return None
        try:
            return self._ready()
        except Exception as error:
            return f"ready: raised {type(error).__name__}: {error}"


def drained() -> bool:
    """Whether `raab drain` has left its mark for the load balancer to see. In the runtime directory, so that a restart ends it."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return bool(folder) and Path(str(folder), "drain").exists()
