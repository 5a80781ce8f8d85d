"""/livez: the process answers. /readyz: it also wants traffic. One word each: what is wrong is for the log, not for the public."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flask import Blueprint, Response, current_app, request

blueprint = Blueprint("health", __name__)
PATHS = ("/livez", "/readyz")
# The trial before a reload, and a worker before it serves, set this in the WSGI environment, where no client can. They are told the
# reasons, and are not turned away by a drain: a drained host may be reloaded.
CHECK = "handover.check"

_log = logging.getLogger(__name__)


@blueprint.get("/livez")
def livez() -> Response:
    return _word("ok", 200)


@blueprint.get("/readyz")
def readyz() -> Response:
    reasons = unready()
    if CHECK in request.environ:
        return _word("; ".join(reasons), 503) if reasons else _word("ok", 200)
    for reason in reasons:
        _log.warning("not ready: %s", reason)
    if reasons:
        return _word("not ready", 503)
    return _word("draining", 503) if drained() else _word("ok", 200)


def drained() -> bool:
    """Whether `raab drain` has left its mark for the load balancer to see. In the runtime directory, so that a restart ends it."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    return bool(folder) and Path(str(folder), "drain").exists()


def unready() -> list[str]:
    """The modules' reasons not to be sent traffic, of the running application."""
    reasons = []
    for module in current_app.extensions["raab"].modules:
        if module.ready is None:
            continue
        try:
            reason = module.ready()
        except Exception as error:
            reason = f"ready() raised {type(error).__name__}: {error}"
        if reason is not None:
            reasons.append(f"{module.package}: {reason}")
    return reasons


def _word(word: str, status: int) -> Response:
    response = Response(f"{word}\n", status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
