"""What slow, streamed and uploading requests ask for: a WSGI application that test releases put in front of their own.

from raab.drill.traffic.routes import with_drill_routes
application = with_drill_routes(create_app(), release="...")
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def with_drill_routes(inner: Application, release: str = "") -> Application:
    """The application with the routes /slow?seconds=, /stream?chunks=&pause=, /echo and /hog?mebibytes= before its own.

    Each but /stream names the release.
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


def card(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """The smallest application: a card that names no release."""
    return _whole(start_response, [("Content-Type", "application/json")], {"service": "drill"})


application = with_drill_routes(card, release="drill")
