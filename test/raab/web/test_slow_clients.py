"""A thousand clients that send their head or their body, or take their answer, by the byte: nobody else notices, and no drain waits."""

from __future__ import annotations

import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

VIEWS = """
from flask import Blueprint, Response, request
blueprint = Blueprint('shop', __name__)
@blueprint.post('/body')
def body(): return str(len(request.get_data()))
@blueprint.get('/big')
def big(): return Response(b'z' * 65536 for _ in range(500))
"""
KINDS = (
    b"GET / HTTP/1.1\r\nHost: x\r\nA: ",
    b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
    b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
)


class Service:
    """raab, and its master's own word."""

    def __init__(self, reached: Any, folder: Path) -> None:
        self.address, self.log, self.process, self.folder = ("127.0.0.1", reached.port), reached.log, reached.process, folder
        until(lambda: self.ask("status")["workers"])

    def ask(self, verb: str) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(60)
            channel.connect(str(self.folder / "control"))
            channel.send(json.dumps({"verb": verb}).encode())
            answer: dict[str, Any] = json.loads(channel.recv(1 << 20))
            return answer


class SlowClients:
    """So many connections of all three kinds, each moving a byte a second; one that the server closes is opened anew."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self._address = address
        self._sockets: dict[int, socket.socket] = {}
        self._count = count
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> SlowClients:
        for number in range(self._count):
            self._open(number)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for one in self._sockets.values():
            one.close()

    def _open(self, number: int) -> None:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(10)
        one.connect(self._address)
        one.sendall(KINDS[number % len(KINDS)])
        one.setblocking(False)
        self._sockets[number] = one

    def _run(self) -> None:
        while not self._end.wait(1):
            for number, one in list(self._sockets.items()):
                try:
                    if number % len(KINDS) == 2:
                        if one.recv(1):
                            continue
                    elif one.send(b"a") and not _ended(one):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                one.close()
                try:
                    self._open(number)
                except OSError:
                    # The service is being stopped.
                    del self._sockets[number]


def _ended(one: socket.socket) -> bool:
    try:
        return one.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def until(reached: Callable[[], Any], seconds: float = 100) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if reached():
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("not reached")


@pytest.fixture
def service(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Service]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    settings = {
        "RUNTIME_DIRECTORY": str(tmp_path), "RAAB_PROJECT__MODULES": "[raab.modules, shop]", "RAAB_SERVER__WORKERS": "2",
        "RAAB_SERVER__LINGER": "2", "RAAB_SERVER__GRACEFUL_TIMEOUT": "90",
    }  # fmt: skip
    with serve({"shop/__init__.py": "", "shop/slow/__init__.py": VIEWS}, **settings) as reached:
        yield Service(reached, tmp_path)


def test_slow_clients_hold_up_nobody(service: Service) -> None:
    """Others are served, a reload hands over and its old workers leave, and a stop ends: none of them waits for its time limit, at which
    a worker says with how many connections it leaves."""
    with SlowClients(service.address, 1000):
        until(lambda: sum(worker["connections"] for worker in service.ask("status")["workers"]) > 900)
        old = {worker["pid"] for worker in service.ask("status")["workers"]}
        with Load([service.address], Mix(path="/livez", fresh=20, reused=20, timeout=10)) as load:
            time.sleep(2)
            assert service.ask("reload")["good"]
            until(lambda: not old & {worker["pid"] for worker in service.ask("status")["workers"]})
            time.sleep(2)
        assert load.account.failures == (), load.account.line()
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(100)
    log = service.log.read_text()
    assert "connections open" not in log
    assert "Traceback" not in log
