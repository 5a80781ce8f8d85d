"""Limits on what a request may cost, under the real server: slow ones, large ones, and ones that are none."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

GUNICORN = """
import handover
worker_class, workers, bind, graceful_timeout = handover.HandoverWorker, 1, "127.0.0.1:0", 1
pre_fork, post_fork, on_starting = handover.pre_fork, handover.post_fork, handover.Options()
control_socket_disable = True
"""
WSGI = "from raab import create_app\napplication = create_app()\n"
VIEWS = """
import sys, time
from flask import Blueprint, Response, request
from raab.web.bodies import body_limit
blueprint = Blueprint('v', __name__)
@blueprint.get('/sleep')
def sleep():
    try:
        time.sleep(60)
    except Exception:
        return 'swallowed'
@blueprint.post('/body')
def body(): return str(len(request.get_data()))
@blueprint.post('/upload')
@body_limit(5000)
def upload(): return str(len(request.get_data()))
@blueprint.post('/json')
@body_limit(100_000)
def json(): return str(type(request.get_json()))
@blueprint.get('/exit')
def leave(): sys.exit(3)
@blueprint.get('/drip')
def drip():
    def parts():
        for _ in range(6):
            time.sleep(0.7)
            yield b'x'
    return Response(parts())
@blueprint.get('/stall')
def stall():
    def parts():
        yield b'x' * 10
        time.sleep(4)
        yield b'y' * 10
    return Response(parts())
@blueprint.get('/big')
def big():
    return Response(b'z' * 65536 for _ in range(500))
@blueprint.get('/whole')
def whole():
    return b'w' * 16_000_000
"""
SHOP = """
from flask import Flask, request
from raab.web.bodies import body_limit
application = Flask("old")
application.config["MAX_CONTENT_LENGTH"] = 3000
@application.post("/body")
def body(): return str(len(request.get_data()))
strict = Flask("strict")
strict.config["MAX_CONTENT_LENGTH"] = 500
strict.post("/body")(body)
@strict.post("/more")
@body_limit(5000)
def more(): return str(len(request.get_data()))
class Moved:
    def __init__(self, app): self.app = app
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith("/at/"):
            environ = {**environ, "SCRIPT_NAME": "/at", "PATH_INFO": environ["PATH_INFO"][3:]}
        return self.app(environ, start_response)
"""
LEGACY = """
def application(environ, start_response):
    data = environ['wsgi.input'].read()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(len(data)).encode()]
"""


class Server:
    def __init__(self, port: int, log: Path) -> None:
        self.port, self.log = port, log

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def ask(self, data: bytes) -> bytes:
        """All that comes back until the server closes the connection or has nothing more to say for 8 s."""
        with self.connect() as client:
            client.settimeout(8)
            client.sendall(data)
            return read_all(client)

    def alive(self) -> bool:
        return self.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200")

    def lines(self) -> list[dict[str, object]]:
        found = re.findall(r"^<6>(\{.*raab\.access.*\})$", self.log.read_text(), re.MULTILINE)
        return [json.loads(line) for line in found]


def read_all(client: socket.socket) -> bytes:
    data = b""
    try:
        while part := client.recv(65536):
            data += part
    except (TimeoutError, ConnectionResetError):
        pass
    return data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    for name, text in (
        ("conf.py", GUNICORN),
        ("wsgi.py", WSGI),
        ("legacy.py", LEGACY),
        ("old.py", SHOP),
        ("shop/__init__.py", ""),
        ("shop/v.py", VIEWS),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    environment = {
        **os.environ,
        "RAAB_ENVIRONMENT": "production",
        "RAAB_PROJECT__MODULES": "[raab.modules, shop]",
        "RAAB_PROJECT__MOUNTS": "{/legacy: 'legacy:application', /old: 'old:application', /strict: 'old:strict'}",
        "RAAB_PROJECT__MIDDLEWARE": "[old:Moved]",
        "RAAB_LIMITS__REQUEST": "1",
        "RAAB_LIMITS__CLIENT": "2",
        "RAAB_LIMITS__BODY": "1000",
    }
    log = folder / "log"
    gunicorn = Path(sys.executable).with_name("gunicorn")
    with log.open("wb") as stream:
        command = [sys.executable, str(gunicorn), "-c", str(folder / "conf.py"), "--chdir", str(folder), "wsgi:application"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stderr=stream)
    try:
        end = time.monotonic() + 20
        while not (match := re.search(r"Listening at: http://127.0.0.1:(\d+)", log.read_text())):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield Server(int(match[1]), log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", ""]).encode() + body


def test_a_request_that_takes_too_long_is_answered_503(server: Server) -> None:
    """Long before the application has an answer, also where it swallows exceptions; the next request is served."""
    said = server.ask(request("GET", "/sleep"))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"The request took more than 1 seconds." in said
    assert server.alive()


def test_a_body_that_does_not_come_is_not_waited_for(server: Server) -> None:
    """gunicorn's gevent worker has no time limit on a body at all. It is the client's fault, and no 5xx that alarms the operator."""
    said = server.ask(request("POST", "/body", "Content-Length: 500", body=b"x"))
    assert said.startswith(b"HTTP/1.1 408 ")


def test_a_slow_answer_that_goes_on_is_let_be(server: Server) -> None:
    """It takes four times the limit in all, but never the limit between two parts."""
    said = server.ask(request("GET", "/drip"))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"\r\nx\r\n") == 6


def test_a_large_answer_taken_slowly_is_let_be(server: Server) -> None:
    """Made in one piece, it takes its client longer than the limit: who goes on taking is not cut off."""
    with server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.sendall(request("GET", "/whole"))
        count = 0
        while part := client.recv(80_000):
            count += len(part)
            time.sleep(0.02)
    assert count > 16_000_000


def test_a_silent_answer_lives(server: Server) -> None:
    """Its silence is the application's affair, as that of an event stream; of four times the limit of either."""
    said = server.ask(request("GET", "/stall"))
    assert said.endswith(b"\r\n" + b"y" * 10 + b"\r\n0\r\n\r\n")


def test_a_client_that_does_not_read_is_cut_off(server: Server) -> None:
    """32 MB that nobody takes hold no worker, and the access line tells how far it came."""
    with server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request("GET", "/big"))
        assert eventually(lambda: any(line["path"] == "/big" for line in server.lines()))
    line = next(line for line in server.lines() if line["path"] == "/big")
    assert int(str(line["bytes"])) < 32_000_000


@pytest.mark.parametrize("path", ["/body", "/legacy/x", "/livez", "/nothing"])
def test_a_large_body_is_refused_at_once(server: Server, path: str) -> None:
    """By its announced length, by whichever application it was meant for."""
    assert server.ask(request("POST", path, "Content-Length: 1001")).startswith(b"HTTP/1.1 413 ")


def test_a_body_too_large_is_not_asked_for(server: Server) -> None:
    """The refusal comes instead of 100 Continue, and the connection ends with it."""
    said = server.ask(request("POST", "/body", "Content-Length: 1001", "Expect: 100-continue").replace(b"Connection: close\r\n", b""))
    assert said.startswith(b"HTTP/1.1 413 ") and b"\r\nConnection: close\r\n" in said


LIMITED = {
    "/upload": 5000, "/old/body": 3000, "/old/nothing": 3000, "/uploads": 1000, "/at/upload": 5000, "/at/old/body": 3000,
    "/strict/body": 500, "/strict/more": 500,
}  # fmt: skip


@pytest.mark.parametrize(("path", "most"), LIMITED.items())
@pytest.mark.parametrize("chunked", [False, True])
def test_a_route_may_have_larger_bodies(server: Server, path: str, most: int, chunked: bool) -> None:
    """By its view, or by the application that it belongs to; whichever way the length is told, and also where a middleware has sent it
    there. An application that allows less takes less, and nothing of what is larger for the whole."""

    def ask(size: int) -> bytes:
        if chunked:
            return server.ask(request("POST", path, "Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)))
        return server.ask(request("POST", path, f"Content-Length: {size}", body=b"x" * size))

    exists = path not in ("/old/nothing", "/uploads")
    assert ask(most).startswith(b"HTTP/1.1 200 " if exists else b"HTTP/1.1 404 ")
    if exists or not chunked:
        assert ask(most + 1).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/body", "/legacy/x", "/old/body"])
def test_half_a_body_is_none(server: Server, path: str) -> None:
    """400, and no view that takes it for the whole."""
    with server.connect() as client:
        client.sendall(request("POST", path, "Content-Length: 500", body=b"x"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).startswith(b"HTTP/1.1 400 ")


def test_json_that_is_nested_too_deep_is_malformed(server: Server) -> None:
    """It is the client's fault, and no 500."""
    body = b"[" * 50_000 + b"]" * 50_000
    said = server.ask(request("POST", "/json", "Content-Type: application/json", f"Content-Length: {len(body)}", body=body))
    assert said.startswith(b"HTTP/1.1 400 ")


def test_a_view_that_exits_is_500(server: Server) -> None:
    """In its line as well, and the worker serves on."""
    assert server.ask(request("GET", "/exit")).startswith(b"HTTP/1.1 500 ")
    assert eventually(lambda: any((line["path"], line["status"]) == ("/exit", 500) for line in server.lines()))
    assert server.alive()


@pytest.mark.parametrize("path", ["/body", "/legacy/x"])
def test_a_large_body_of_unknown_length_is_refused(server: Server, path: str) -> None:
    """When it has come in too far; one within the limit is served."""
    chunk = b"1f4\r\n" + b"x" * 500 + b"\r\n"
    assert server.ask(request("POST", path, "Transfer-Encoding: chunked", body=chunk * 3 + b"0\r\n\r\n")).startswith(b"HTTP/1.1 413 ")
    said = server.ask(request("POST", path, "Transfer-Encoding: chunked", body=chunk * 2 + b"0\r\n\r\n"))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"1000" in said


CHUNKED = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ABUSE = {
    "CL.TE": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "TE.CL": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n",
    "TE twice": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n",
    "TE unknown": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE with a tab": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "CL twice": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "CL negative": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "CL with a plus": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
    "CL endless": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "chunk size no number": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "chunk size negative": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare CR in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
    "long URL": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(500)) + b"\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10 + b"\r\n\r\n",
    "method with a brace": b"GE{T / HTTP/1.1\r\nHost: x\r\n\r\n",
    "bare LF for all ends": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare LF in a header": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\nContent-Length: 3\r\n\r\nabc",
    "bare LF in chunks": CHUNKED + b"2\nab\n0\n\n",
    "chunk size in hex style": CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n",
    "chunk size endless": CHUNKED + b"0" * 100_000 + b"2\r\nab\r\n0\r\n\r\n",
    "chunk extension endless": CHUNKED + b"2;a=" + b"b" * 1_000_000 + b"\r\nab\r\n0\r\n\r\n",
    "chunk without its end": CHUNKED + b"2\r\nabXX0\r\n\r\n",
    "trailers endless": CHUNKED + b"2\r\nab\r\n0\r\n" + b"A: b\r\n" * 100_000,
    "TE not chunked last": b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "TE in HTTP/1.0": b"POST /body HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "CL as a list": b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
    "long method": b"A" * 5000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "host with a path": b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with a space": b"GET / HTTP/1.1\r\nHost: x y\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
}


@pytest.mark.parametrize("name", ABUSE)
def test_a_malformed_request_is_refused(server: Server, name: str) -> None:
    """4xx or closed, never a 2xx, never two answers; and the next request on a fresh connection is served."""
    said = server.ask(ABUSE[name])
    statuses = re.findall(rb"HTTP/1\.[01] (\d+)", said)
    # RFC 9112 section 6.1: a transfer coding that the server does not know is 501, and gunicorn closes the connection with it.
    assert statuses in ([], [b"501"]) or (len(statuses) == 1 and statuses[0].startswith(b"4")), said[:300]
    assert server.alive()


def test_slow_clients_leave_others_served(server: Server) -> None:
    """Two hundred that send a byte of their head and no more, while somebody else is answered at once."""
    slow = [server.connect() for _ in range(200)]
    try:
        for client in slow:
            client.sendall(b"G")
        assert server.alive()
        assert not select.select(slow, [], [], 0)[0], "nobody had to leave for that"
    finally:
        for client in slow:
            client.close()


def test_request_ids_never_mix(server: Server) -> None:
    """Interleaved greenlets: each answer, each access line and each line of the application carry their own request's id."""
    seen: list[bytes] = []

    def many() -> None:
        with server.connect() as client, client.makefile("rb") as answers:
            for _ in range(100):
                client.sendall(b"GET /greeting/a HTTP/1.1\r\nHost: x\r\n\r\n")
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.startswith(b"X-Request-ID"):
                        seen.append(line.split()[1])
                    if line.startswith(b"Content-Length"):
                        length = int(line.split()[1])
                answers.read(length)

    threads = [threading.Thread(target=many) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == len(set(seen)) == 1000
    assert eventually(lambda: {one.decode() for one in seen} <= {str(line["request"]) for line in server.lines()})


def eventually(done: object, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False
