"""What of a request's WSGI environment (PEP 3333) is the same for all of a connection."""

from __future__ import annotations

import sys
from typing import Any
from wsgiref.util import FileWrapper

from http1.answerhead import SERVER


def base(client: Any, listener: Any, peer: Any, multiprocess: bool) -> dict[str, Any]:
    """`listener` and `peer` as getsockname(2) and accept(2) tell them: host and port first, or text for a UNIX socket."""
    environ = {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
        # The name by which libraries look for it, simple-websocket for one.
        "gunicorn.socket": client,
        "SERVER_SOFTWARE": SERVER,
        "SCRIPT_NAME": "",
    }
    if isinstance(peer, tuple):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = peer[0], str(peer[1])
    else:
        environ["REMOTE_ADDR"] = ""
    if isinstance(listener, tuple):
        environ["SERVER_NAME"], environ["SERVER_PORT"] = listener[0], str(listener[1])
    return environ


def name_by_host(environ: dict[str, Any]) -> None:
    """SERVER_NAME and SERVER_PORT where the listener has none, being a UNIX socket: by the Host field."""
    host, _, port = environ.get("HTTP_HOST", "").rpartition(":")
    if not port.isdecimal():
        host, port = environ.get("HTTP_HOST", ""), "80"
    environ["SERVER_NAME"], environ["SERVER_PORT"] = host, port
