"""What lasts as long as its client likes: WebSockets and event streams live in silence, and are told when a worker retires."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from simple_websocket import Client, ConnectionClosed

VIEWS = """
import time
from flask import Blueprint, Response, request
from flask_sock import Sock
blueprint = Blueprint('shop', __name__)
sock = Sock()
@sock.route('/chat', bp=blueprint)
def chat(ws):
    while True:
        ws.send(ws.receive())
@sock.route('/flood', bp=blueprint)
def flood(ws):
    while True:
        ws.send('x' * 3_000_000)
@blueprint.get('/events')
def events():
    def parts():
        yield 'data: hello\\n\\n'
        time.sleep(3600)
    return Response(parts(), mimetype='text/event-stream')
@blueprint.get('/halves')
def halves():
    def parts():
        while True:
            yield 'data: '
            time.sleep(0.4)
            yield 'whole\\n\\n'
            time.sleep(0.01)
    return Response(parts(), mimetype='text/event-stream')
@blueprint.get('/endless')
def endless():
    def parts():
        while True:
            yield 'x'
            time.sleep(0.1)
    return Response(parts(), mimetype='text/plain')
@blueprint.post('/body')
def body(): return str(len(request.get_data()))
@blueprint.get('/plain')
def plain(): return 'plain'
"""
# Of the worker, before it retires. Its goodbyes take four fifths of it.
GRACE = 4


class Service:
    """raab with these views, whose limits are a second for the application and two for clients."""

    def __init__(self, reached: Any, folder: Path) -> None:
        self.reached, self._folder = reached, folder
        self.url = f"ws://127.0.0.1:{reached.port}"

    def open(self, path: str) -> socket.socket:
        """A connection on which an answer has begun."""
        client: socket.socket = self.reached.connect()
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        return client

    def reload(self) -> None:
        """Returns when no worker of before accepts connections any more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(60)
            channel.connect(str(self._folder / "control"))
            channel.send(json.dumps({"verb": "reload"}).encode())
            assert json.loads(channel.recv(1 << 20))["good"]

    def line(self, path: str) -> dict[str, Any]:
        """The access line of the only request for it."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            lines = [json.loads(line[3:]) for line in self.reached.log.read_text().splitlines() if '"raab.access"' in line]
            if found := [line for line in lines if line["path"] == path]:
                (one,) = found
                return dict(one)
            time.sleep(0.1)
        raise AssertionError(self.reached.log.read_text())


@pytest.fixture
def service(serve: Callable[..., AbstractContextManager[Any]], tmp_path: Path) -> Iterator[Service]:
    files = {"shop/__init__.py": "", "shop/views/__init__.py": VIEWS}
    environ = {
        "RUNTIME_DIRECTORY": str(tmp_path), "RAAB_PROJECT__MODULES": "[raab.modules, shop]", "RAAB_LIMITS__REQUEST": "1",
        "RAAB_LIMITS__CLIENT": "2", "RAAB_SERVER__GRACEFUL_TIMEOUT": str(GRACE), "RAAB_SERVER__LINGER": "1",
    }  # fmt: skip
    with serve(files, **environ) as reached:
        yield Service(reached, tmp_path)


def rest(client: socket.socket) -> bytes:
    client.settimeout(15)
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_what_is_silent_lives(service: Service) -> None:
    """For several times the limits of requests."""
    chat, events = Client(f"{service.url}/chat"), service.open("/events")
    time.sleep(5)
    chat.send("still there?")
    assert chat.receive(timeout=5) == "still there?"
    events.setblocking(False)
    with pytest.raises(BlockingIOError):
        events.recv(1)
    events.close()
    chat.close()
    assert service.line("/chat")["status"] == 101


def test_a_websocket_is_told_1012_and_may_come_back(service: Service) -> None:
    chats = [Client(f"{service.url}/chat") for _ in range(8)]
    service.reload()
    ends = []
    for chat in chats:
        with pytest.raises(ConnectionClosed) as closed:
            chat.receive(timeout=GRACE + 5)
        ends.append(time.monotonic())
        assert closed.value.reason == 1012
    again = Client(f"{service.url}/chat")
    again.send("hello")
    assert again.receive(timeout=5) == "hello"
    again.close()


def test_goodbyes_are_spread(service: Service) -> None:
    """Over most of the time that the worker has; of forty clients only a part comes back in any one second."""
    streams, ends = [service.open("/events") for _ in range(40)], []

    def watch(stream: socket.socket) -> None:
        assert rest(stream).endswith(b"0\r\n\r\n")
        ends.append(time.monotonic())

    watchers = [threading.Thread(target=watch, args=(stream,)) for stream in streams]
    for watcher in watchers:
        watcher.start()
    service.reload()
    for watcher in watchers:
        watcher.join(GRACE + 10)
    assert len(ends) == 40
    assert max(ends) - min(ends) > GRACE / 2
    assert max(sum(begun <= end < begun + 1 for end in ends) for begun in ends) < 30


def test_no_event_is_cut(service: Service) -> None:
    """Its end comes between two events, also where an event is sent in halves and there is hardly a moment between two."""
    with service.open("/halves") as stream:
        service.reload()
        said = rest(stream)
    assert said.endswith(b"0\r\n\r\n")
    chunks = said.removesuffix(b"0\r\n\r\n").split(b"\r\n")
    assert [chunk for chunk in chunks if chunk.strip()][-1].endswith(b"whole\n\n")
    assert "aborted" not in service.line("/halves") or not service.line("/halves")["aborted"]


def test_a_frame_is_not_cut(service: Service) -> None:
    """A client that is slow to take large frames gets the goodbye behind a whole one, or none."""
    with service.reached.connect() as client:
        client.sendall(
            b"GET /flood HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert client.recv(20).startswith(b"HTTP/1.1 101")
        service.reload()
        data = rest(client).partition(b"\r\n\r\n")[2]
    frame = 3_000_000 + 10
    count, left = divmod(len(data), frame)
    assert count >= 1 and data[:2] == b"\x81\x7f"
    assert data[count * frame :] == b"\x88\x02\x03\xf4", left


def test_what_has_no_end_of_its_own_is_cut_without_one(service: Service) -> None:
    """Nobody takes half of it for the whole: no last chunk, no regular end."""
    with service.open("/endless") as stream:
        service.reload()
        stream.settimeout(GRACE + 10)
        said, error = b"", None
        try:
            while part := stream.recv(65536):
                said += part
        except ConnectionResetError as reset:
            error = reset
    assert not said.endswith(b"0\r\n\r\n") and (error or said)
    assert service.line("/endless")["aborted"] == "worker"


def test_a_steady_slow_upload_is_no_crime(service: Service) -> None:
    """It takes several times any limit, at a rate that is just allowed."""
    with service.reached.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5600\r\n\r\n")
        for _ in range(14):
            time.sleep(0.5)
            client.sendall(b"x" * 400)
        assert rest(client).endswith(b"5600")


def test_an_upload_that_stops_is_408(service: Service) -> None:
    with service.reached.connect() as client:
        client.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5600\r\n\r\n")
        client.settimeout(15)
        assert client.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_an_upgrade_that_nobody_takes_is_an_ordinary_request(service: Service) -> None:
    """As curl and browsers ask for one: the answer says what becomes of the connection, and that is so."""
    with service.reached.connect() as client:
        client.sendall(b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        said = client.recv(65536)
        assert said.endswith(b"plain")
        if b"Connection: close" in said:
            assert rest(client) == b""
        else:
            client.sendall(b"GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert rest(client).endswith(b"plain")
