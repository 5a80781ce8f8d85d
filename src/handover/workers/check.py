"""Ask an application one question without a server (PEP 3333)."""

from __future__ import annotations

import io
from typing import Any
from wsgiref.util import setup_testing_defaults


def check(application: Any, path: str) -> None:
    """Raises RuntimeError unless a GET of `path` is answered with a 2xx status."""
    # The key is for the application: no client can set it, so it may answer with more detail, and even where it sends clients away.
    environ: dict[str, Any] = {"PATH_INFO": path, "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(), "handover.check": True}
    setup_testing_defaults(environ)
    answer: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        answer.append(status)
        return lambda data: None

    body = application(environ, start_response)
    try:
        text = b"".join(body).decode(errors="replace").strip()
    finally:
        if hasattr(body, "close"):
            body.close()
    if not answer or not answer[-1].startswith("2"):
        raise RuntimeError(f"{path} answered {answer[-1] if answer else 'nothing'}: {text[:200]}")
