"""What slow, streamed and uploading requests ask for: a WSGI application that test releases put in front of their own. A copy of this file
is what they have of it.

from drillroutes import with_drill_routes
application = with_drill_routes(create_app(), release="...")
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def with_drill_routes(inner: Application, release: str = "") -> Application:
    """The application with the routes /slow?seconds=, /stream?chunks=&pause=, /echo, /hog?mebibytes=, /events and /socket before its own.

    Each but /stream names the release. The last two, an event stream and a WebSocket, say so once and are silent for as long as they live.
    """

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        headers = [("Content-Type", "text/plain"), ("Raab-Release", release)]
        if environ["PATH_INFO"] == "/slow":
            time.sleep(float(query["seconds"]))
            return _whole(start_response, headers, {"release": release})
        if environ["PATH_INFO"] == "/stream":
            start_response("200 OK", headers)
            return _stream(int(query["chunks"]), float(query["pause"]))
        if environ["PATH_INFO"] == "/echo":
            body = environ["wsgi.input"].read()
            return _whole(start_response, headers, {"release": release, "sha256": hashlib.sha256(body).hexdigest(), "length": len(body)})
        if environ["PATH_INFO"] == "/hog":
            # Written to, for what is only asked for takes no memory.
            taken = b"x" * (int(query["mebibytes"]) << 20)
            return _whole(start_response, headers, {"release": release, "length": len(taken)})
        if environ["PATH_INFO"] == "/events":
            start_response("200 OK", [("Content-Type", "text/event-stream"), ("Raab-Release", release)])
            return _events(release)
        if environ["PATH_INFO"] == "/socket":
            return _socket(environ, release)
        return inner(environ, start_response)

    return application


def _whole(start_response: StartResponse, headers: list[tuple[str, str]], content: dict[str, Any]) -> list[bytes]:
    body = json.dumps(content).encode()
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _stream(chunks: int, pause: float) -> Iterator[bytes]:
    for number in range(chunks):
        time.sleep(pause)
        yield b"%d\n" % number


def _events(release: str) -> Iterator[bytes]:
    yield f"data: {release}\n\n".encode()
    time.sleep(86_400)


def _socket(environ: dict[str, Any], release: str) -> Iterable[bytes]:
    """A WebSocket by hand (RFC 6455): the release in a text frame, then nothing until the client's first frame or its end."""
    connection = environ["gunicorn.socket"]
    key = environ["HTTP_SEC_WEBSOCKET_KEY"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    connection.sendall(head.encode() + bytes([0x81, len(release)]) + release.encode())
    connection.recv(4096)
    # As WebSocket libraries tell gunicorn that there is nothing left to answer (flask_sock).
    raise StopIteration


def card(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The smallest application: a card that names no release."""
    return _whole(start_response, [("Content-Type", "application/json")], {"service": "drill"})


application = with_drill_routes(card, release="drill")
