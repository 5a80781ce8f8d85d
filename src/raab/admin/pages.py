"""What the admin listener answers. Not Flask's: no route or mount can take a path here, and no mistake there can open one of these."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from raab.admin.release import described
from raab.errors import RaabError
from raab.host.master import overview, samples
from raab.host.master.counters import counted
from raab.host.paths import Paths, here
from raab.metrics.exposition import Told, render
from raab.web.health import Check, answers, drained
from raab.web.wsgi import StartResponse, WSGIEnvironment

# Seconds for the master's answer. It is busy for moments only, but while it stops it does not answer at all.
_PATIENCE = 2.0
# A worker cannot ask systemd who the master is; what it tells here is the service's own word in any case (vouched=False).
# Seconds for each check. Who looks into a service that is not ready wants to know which one hangs, and now.
_CHECK = 5.0


@dataclass(frozen=True)
class Answer:
    """What is said, and as what."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    kind: str = "text/plain; charset=utf-8"


class Pages:
    """A WSGI application: a page for each path. `checks` are what its readiness is told by."""

    def __init__(self, checks: Iterable[Check]) -> None:
        self._checks = tuple(checks)
        paths = here(os.environ)
        self._pages: dict[str, Callable[[str], Answer]] = {
            "/livez": lambda query: Answer("ok\n"),
            "/readyz": self._ready,
            "/metrics": lambda query: _metrics(paths),
            "/-/release": lambda query: _json(described(paths)),
            "/-/workers": lambda query: _json(overview.document(paths, _PATIENCE, vouched=False)),
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        answer = self._answer(method, environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", ""))
        body = answer.body.encode()
        headers = [("Content-Type", answer.kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        if answer.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return () if method == "HEAD" else (body,)

    def _answer(self, method: str, path: str, query: str) -> Answer:
        page = self._pages.get(path)
        if page is None:
            return Answer(f"{path}: is not answered here\nhint: one of {', '.join(self._pages)}\n", HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            return Answer(f"{path}: is only read, got {method}\n", HTTPStatus.METHOD_NOT_ALLOWED)
        try:
            return page(query)
        except RaabError as error:
            return Answer(f"{error}\n", HTTPStatus.SERVICE_UNAVAILABLE)

    def _ready(self, query: str) -> Answer:
        """One word as at the public port; with `verbose`, a line before it for each thing that has a say."""
        raab = here(os.environ).typed
        found = [("drain", f"`{raab} drain` was typed here, `{raab} undrain` ends it" if drained() else None)]
        found += answers(self._checks, _limit)
        failed = [name for name, reason in found if reason is not None]
        word = "ok" if not failed else "draining" if failed == ["drain"] else "not ready"
        verbose = any(part.partition("=")[0] == "verbose" for part in query.split("&"))
        lines = [f"{name}: {'ok' if reason is None else ' '.join(reason.split())}" for name, reason in found] if verbose else []
        return Answer("".join(f"{line}\n" for line in (*lines, word)), HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK)


def _limit() -> AbstractContextManager[Any]:
    # Here and not above: without gevent's server there is nothing to end a check with, nor an admin listener.
    from gevent import Timeout

    return Timeout(_CHECK, TimeoutError(f"it does not answer within {_CHECK:g} s"))


def _metrics(paths: Paths) -> Answer:
    reading = counted(paths)
    try:
        told = samples.service(paths, _PATIENCE, vouched=False)
    except RaabError:
        # What the workers have counted is true without the master's word.
        told = []
    return Answer(render(Told(paths.name, reading, told)), kind="text/plain; version=0.0.4; charset=utf-8")


def _json(value: object) -> Answer:
    return Answer(json.dumps(value, indent=2) + "\n", kind="application/json")
