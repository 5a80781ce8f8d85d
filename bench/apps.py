"""The two applications that raab is compared with: the least that WSGI and Flask can do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

BODY = b'{"service":"bench"}\n'


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]


flask = Flask("bench")


@flask.get("/")
def card() -> dict[str, str]:
    return {"service": "bench"}
