"""A WebSocket with an application elsewhere: once both sides have left HTTP for it, bytes both ways until either ends."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from urllib3.response import BaseHTTPResponse

from raab.web.wsgi import Headers, WSGIEnvironment

# RFC 6455 section 4.1: said anew on each leg of the way, as between any two neighbours.
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}
_PIECE = 65536


def wanted(environ: WSGIEnvironment) -> bool:
    """Whether a request asks for a WebSocket, and its server lends its connection for that. Any other upgrade is a request like others."""
    options = environ.get("HTTP_CONNECTION", "").lower().replace(" ", "").split(",")
    asked = "upgrade" in options and environ.get("HTTP_UPGRADE", "").lower() == "websocket" and environ["REQUEST_METHOD"] == "GET"
    return asked and "gunicorn.socket" in environ


def given(response: BaseHTTPResponse) -> bool:
    """Whether it is the answer that begins a WebSocket."""
    return response.status == 101 and str(response.headers.get("Upgrade", "")).lower() == "websocket"


def pass_on(environ: WSGIEnvironment, response: Any, headers: Headers) -> None:
    """Hands the answer's head and all that follows to the client, and what the client sends to the other side. Returns when either has
    ended, and closes both; the server tells the client when its worker retires (http1.upgrade.handed)."""
    # Here and not above: without a server of greenlets there is no connection to be handed over.
    import gevent

    client = environ["gunicorn.socket"]
    fields = "".join(f"{name}: {value}\r\n" for name, value in [*UPGRADE.items(), *headers])
    ways = []
    try:
        with contextlib.suppress(OSError):
            client.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n".encode("latin-1"))
            # By the reader of the head, which may have received the first of what follows.
            ways = [
                gevent.spawn(_pass, response._fp.fp.read1, client.sendall),
                gevent.spawn(_pass, client.recv, response.connection.sock.sendall),
            ]
            gevent.wait(ways, count=1)
    finally:
        gevent.killall(ways)
        response.close()


def _pass(receive: Callable[[int], bytes], send: Callable[[bytes], object]) -> None:
    with contextlib.suppress(OSError):
        while data := receive(_PIECE):
            send(data)
