"""A server of http1 alone: no gunicorn, no raab, one process with greenlets, real sockets."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit per example would measure what else the machine is doing.
settings.register_profile("raab", deadline=None)
settings.load_profile("raab")

SCRIPT = """
from gevent import monkey; monkey.patch_all()
import logging, sys, time
import gevent
from gevent.server import StreamServer
from http1 import Connection, Limits, Site, end_deserted

logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")

class Raises:
    def __init__(self, error, pieces): self.error, self.pieces = error, list(pieces)
    def __iter__(self): return self
    def __next__(self):
        if self.pieces: return self.pieces.pop(0)
        raise self.error

class Silent:
    # One event, and then nothing for ever.
    begun = False
    def __iter__(self): return self
    def __next__(self):
        if self.begun: gevent.sleep(3600)
        self.begun = True
        return b"data: x\\n\\n"
    def close(self): print("closed", file=sys.stderr, flush=True)

def application(environ, start):
    path, body = environ["PATH_INFO"], environ["wsgi.input"]
    kind, _, rest = path[1:].partition("/")
    if kind == "echo":
        data = body.read()
        start("200 OK", [("Content-Type", "text/plain")])
        return [str(len(data)).encode()]
    if kind == "lines":
        data = list(body)
        start("200 OK", [("Content-Length", str(len(repr(data))))])
        return [repr(data).encode()]
    if kind == "nothing":
        start("404 NOT FOUND", [("Content-Length", "4")])
        return [b"none"]
    if kind == "declared":
        length, *pieces = rest.split("/")
        start("200 OK", [("Content-Length", length)])
        return [piece.encode() for piece in pieces]
    if kind == "raise":
        name, *pieces = rest.split("/")
        error = {"SystemExit": SystemExit(3), "GreenletExit": gevent.GreenletExit(), "KeyboardInterrupt": KeyboardInterrupt(),
                 "ValueError": ValueError("x"), "OSError": OSError("x"), "Timeout": gevent.Timeout(1)}[name]
        if not pieces: raise error
        start("200 OK", [])
        return Raises(error, [piece.encode() for piece in pieces if piece])
    if kind == "head":
        start(rest.replace("+", " "), [("Content-Length", "3")])
        return [b"abc"]
    if kind == "header":
        start("200 OK", [("X-A", "b\\r\\nSet-Cookie: c")])
        return [b"abc"]
    if kind == "close":
        start("200 OK", [("Connection", "close"), ("Content-Length", "1")])
        return [b"x"]
    if kind == "endless":
        start("200 OK", [("Content-Type", "text/event-stream" if rest else "text/plain")])
        return iter(lambda: b"data: x\\n\\n", None)
    if kind == "silent":
        start("200 OK", [("Content-Type", "text/event-stream")])
        return Silent()
    if kind == "hints":
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        start("200 OK", [("Content-Length", "1")])
        return [b"x"]
    if kind == "environ":
        text = "\\n".join(f"{name}={value}" for name, value in environ.items() if isinstance(value, str)).encode("latin-1")
        start("200 OK", [("Content-Length", str(len(text)))])
        return [text]
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def refused(refusal): print("refused", *refusal, file=sys.stderr, flush=True)

site = Site(application, logging.getLogger(), lambda: None, lambda: None, lambda: False, refused, 2.0, 5.0, False, Limits())
connections = {}

def serve(client, peer):
    connection = Connection(site, client, server.address, peer)
    connections[connection] = True
    try:
        connection.serve()
    finally:
        del connections[connection]

def look():
    while True:
        gevent.sleep(0.1)
        end_deserted(connections)

server = StreamServer(("127.0.0.1", 0), serve)
server.start()
gevent.spawn(look)
print(server.address[1], flush=True)
server.serve_forever()
"""


class Server:
    """The process, and ways to talk to it."""

    def __init__(self, port: int, log: Path) -> None:
        self.port, self.log = port, log

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, data: bytes, half_close: bool = False, seconds: float = 3) -> bytes:
        """All that comes back until the server closes the connection, or says nothing for so long."""
        with self.connect() as client:
            client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return everything(client, seconds)

    def said(self) -> str:
        time.sleep(0.1)
        return self.log.read_text()


def everything(client: socket.socket, seconds: float = 3) -> bytes:
    client.settimeout(seconds)
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return data


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("http1")
    script, log = folder / "serve.py", folder / "log"
    script.write_text(textwrap.dedent(SCRIPT))
    with log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=stream)
    try:
        assert process.stdout
        yield Server(int(process.stdout.readline()), log)
    finally:
        process.kill()
        process.wait()


SINK = """
import socket, threading
def throw_away(client):
    while client.recv(65536): pass
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=throw_away, args=(listener.accept()[0],), daemon=True).start()
"""


class Sink:
    """A process that takes whatever is sent, answers nothing and keeps nothing."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture(scope="session")
def sink() -> Iterator[Sink]:
    process = subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield Sink(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
