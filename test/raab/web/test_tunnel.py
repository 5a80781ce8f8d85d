"""WebSockets through a mount that is an application elsewhere: here another raab, with flask-sock."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from simple_websocket import Client, ConnectionClosed, ConnectionError

VIEWS = """
from flask import Blueprint, request
from flask_sock import Sock
blueprint = Blueprint('shop', __name__)
sock = Sock()
@sock.route('/chat', bp=blueprint)
def chat(ws):
    where = f"{request.headers['X-Forwarded-Prefix']} {request.headers['Host']} {request.args.get('room')}"
    while (data := ws.receive()) != 'end':
        ws.send(where if data == 'where?' else data)
@blueprint.get('/plain')
def plain(): return f"plain {request.headers.get('Upgrade')}"
"""


class Front:
    """raab, with the other one mounted at /live."""

    def __init__(self, reached: Any, run: Path) -> None:
        self.reached, self._run = reached, run
        self.url = f"ws://127.0.0.1:{reached.port}/live"

    def reload(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(60)
            channel.connect(str(self._run / "control"))
            channel.send(json.dumps({"verb": "reload"}).encode())
            assert json.loads(channel.recv(1 << 20))["good"]

    def lines(self, path: str) -> list[dict[str, Any]]:
        said = [json.loads(line[3:]) for line in self.reached.log.read_text().splitlines() if '"raab.access"' in line]
        return [line for line in said if line["path"] == path]


@pytest.fixture(scope="module")
def front(serve: Callable[..., AbstractContextManager[Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    run = tmp_path_factory.mktemp("run")
    files = {"shop/__init__.py": "", "shop/views/__init__.py": VIEWS}
    with serve(files, RAAB_PROJECT__MODULES="[shop]", RAAB_SERVER__FORWARDED_ALLOW_IPS="[127.0.0.1]",
               RAAB_SERVER__FORWARDED_HEADERS="[X-Forwarded-Prefix]") as back:  # fmt: skip
        mounts = json.dumps({"/live": [f"http://127.0.0.1:{back.port}"]})
        with serve({}, RAAB_PROJECT__MOUNTS=mounts, RUNTIME_DIRECTORY=str(run), RAAB_LIMITS__REQUEST="1", RAAB_SERVER__GRACEFUL_TIMEOUT="4",
                   RAAB_SERVER__LINGER="1") as reached:  # fmt: skip
            yield Front(reached, run)


def test_frames_pass_both_ways(front: Front) -> None:
    """Text and bytes, small and large; the application there knows where it is mounted; silence lasts beyond the limits of requests."""
    chat = Client(f"{front.url}/chat?room=7")
    assert asked(chat, "where?") == "/live 127.0.0.1 7"
    for data in ("hello", b"\x00\xff" * 100, "x" * 1_000_000):
        assert asked(chat, data) == data
    time.sleep(2.5)
    assert asked(chat, "still there?") == "still there?"
    chat.send("end")
    with pytest.raises(ConnectionClosed) as ended:
        chat.receive(timeout=5)
    assert ended.value.reason == 1000
    wait_for(lambda: front.lines("/live/chat"))
    line = front.lines("/live/chat")[-1]
    assert (line["status"], line["route"]) == (101, "/live/*") and line["bytes"] > 1_000_000


def test_a_client_that_leaves_ends_it_there_too(front: Front) -> None:
    before = len(front.lines("/live/chat"))
    chat = Client(f"{front.url}/chat")
    asked(chat, "hello")
    chat.sock.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: len(front.lines("/live/chat")) > before)


def test_what_is_no_websocket_is_an_answer_like_any_other(front: Front) -> None:
    """A refused one, and an upgrade to something else; the connection is not the application's over there."""
    with pytest.raises(ConnectionError) as refused:
        Client(f"{front.url}/nothing")
    assert refused.value.status_code == 404
    wish = "GET /live/plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade{}\r\nUpgrade: {}\r\n\r\n"
    for kind, status in (("h2c", "200 OK"), ("websocket", "400 BAD REQUEST")):
        said = front.reached.ask((wish.format("", kind) + wish.format(", close", kind)).encode()).decode()
        assert said.count(f"HTTP/1.1 {status}") == said.count("HTTP/1.1") == 2


def test_a_reload_says_goodbye(front: Front) -> None:
    chats = [Client(f"{front.url}/chat") for _ in range(3)]
    for chat in chats:
        asked(chat, "hello")
    front.reload()
    for chat in chats:
        with pytest.raises(ConnectionClosed) as ended:
            chat.receive(timeout=20)
        assert ended.value.reason == 1012
    again = Client(f"{front.url}/chat")
    assert asked(again, "hello") == "hello"
    again.close()


def test_who_pours_frames_keeps_nobody_waiting(front: Front) -> None:
    """In both directions, as all of it comes back."""
    chat = Client(f"{front.url}/chat")
    asked(chat, "hello")
    end = threading.Event()

    def pour() -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while not end.is_set():
                chat.send(b"x" * 100_000)

    pourer = threading.Thread(target=pour)
    pourer.start()
    try:
        for _ in range(10):
            assert b" 200 OK" in front.reached.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    finally:
        end.set()
        chat.sock.shutdown(socket.SHUT_RDWR)
        pourer.join()


def asked(chat: Client, data: str | bytes) -> str | bytes | None:
    chat.send(data)
    answer: str | bytes | None = chat.receive(timeout=15)
    return answer


def wait_for(reached: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)
