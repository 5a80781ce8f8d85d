"""/livez: the process answers. /readyz: it also wants traffic. One word each: what is wrong is for the log, not for the public."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from flask import Blueprint, Response, abort, current_app, request

from raab.web.context import CHECK, DRAINED, asked_by_raab

Limit = Callable[[], AbstractContextManager[Any]]

blueprint = Blueprint("health", __name__)

_log = logging.getLogger(__name__)


class Module(Protocol):
    """A module, as far as its readiness is concerned."""

    @property
    def package(self) -> str: ...
    @property
    def ready(self) -> Callable[[], str | None] | None: ...


@blueprint.before_request
def hide() -> None:
    """Where the settings keep health from the public, there are no such paths."""
    if not current_app.extensions["raab"].settings.server.public_health and not asked_by_raab(request.environ):
        abort(404)


@blueprint.get("/livez")
def livez() -> Response:
    return _word("ok", 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    reasons = [f"{name}: {reason}" for name, reason in checks(current_app.extensions["raab"].modules) if reason is not None]
    if CHECK in request.environ:
        return _word("; ".join(reasons), 503) if reasons else _word("ok", 200)
    for reason in reasons:
        _log.warning("not ready: %s", reason)
    if reasons:
        return _word("not ready", 503)
    if drained():
        request.environ[DRAINED] = True
        return _word("draining", 503)
    return _word("ok", 200)


def drained() -> bool:
    """Whether `raab drain` has left its mark for the load balancer to see. In the runtime directory, so that a restart ends it."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return bool(folder) and Path(str(folder), "drain").exists()


def checks(modules: Iterable[Module], limit: Limit = nullcontext) -> Iterator[tuple[str, str | None]]:
    """Each module that has a say, with its reason not to be sent traffic or None. Needs the application's context, as ready() does.

    `limit` makes a context for each of them, which may end it by raising an Exception.
    """
    for module in modules:
        if module.ready is None:
            continue
        try:
            with limit():
                reason = module.ready()
        except Exception as error:
            reason = f"ready() raised {type(error).__name__}: {error}"
        yield module.package, reason


def _word(word: str, status: int) -> Response:
    response = Response(f"{word}\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
