"""What the access line and the counters say of an answer, beside what went over the wire: raab as its unit starts it, on this machine."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from raab.metrics.reading import Reading, read

VIEWS = """
import threading, time
import gevent
from flask import Blueprint, Response
blueprint = Blueprint('shop', __name__)
@blueprint.get('/whole')
def whole(): return Response(iter([b'abc', b'de']))
def early():
    raise ValueError('early')
    yield b''
@blueprint.get('/early')
def raises_early(): return Response(early())
def late():
    yield b'x' * 1000
    raise ValueError('late')
@blueprint.get('/late')
def raises_late(): return Response(late())
@blueprint.get('/declared')
def declared(): return Response(late(), headers={'Content-Length': '5000'})
def silent():
    yield b'x' * 1000
    time.sleep(5)
    yield b'x' * 1000
@blueprint.get('/silent')
def falls_silent(): return Response(silent())
@blueprint.get('/big/stuck')
@blueprint.get('/big')
def big(): return Response(b'z' * 65536 for _ in range(2000))
def dripping():
    while True:
        yield b'x' * 1000
        time.sleep(0.1)
class Evil(Exception): pass
def fail(): raise Evil('x\\n<0>forged')
@blueprint.get('/greenlet')
def greenlet():
    gevent.spawn(fail)
    return 'ok'
@blueprint.get('/thread')
def thread():
    threading.Thread(target=fail).start()
    return 'ok'
@blueprint.get('/endless')
def endless(): return Response(dripping())
"""
LEGACY = """
def application(environ, start_response):
    start_response('200 OK', [])
    raise ValueError('after start_response')
"""


FILES = {"shop/__init__.py": "", "shop/v/__init__.py": VIEWS, "legacy.py": LEGACY}
SETTINGS = {
    "RAAB_PROJECT__MODULES": "[raab.modules, shop]", "RAAB_PROJECT__MOUNTS": "{/legacy: 'legacy:application'}", "RAAB_LIMITS__REQUEST": "2",
    "RAAB_LIMITS__CLIENT": "2", "RAAB_SERVER__GRACEFUL_TIMEOUT": "2", "RAAB_LIMITS__REQUEST_LINE": "200", "RAAB_LIMITS__HEADERS": "20",
    "RAAB_LIMITS__HEADER_SIZE": "500", "RAAB_SERVER__LINGER": "0",
}  # fmt: skip


class Service:
    """One worker of raab."""

    def __init__(self, reached: Any, folder: Path) -> None:
        self.address, self.log, self.process, self.folder = ("127.0.0.1", reached.port), reached.log, reached.process, folder
        until(lambda: self.whole(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))

    def connect(self, path: str) -> socket.socket:
        client = socket.create_connection(self.address, timeout=15)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return client

    def whole(self, data: bytes) -> bytes:
        with socket.create_connection(self.address, timeout=15) as client:
            client.sendall(data)
            return read_all(client)

    def get(self, path: str) -> bytes:
        with self.connect(path) as client:
            return read_all(client)

    def lines(self, path: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in re.findall(r"^<6>(\{.*raab\.access.*\})$", self.log.read_text(), re.MULTILINE)]
        return [line for line in found if line["path"] == path]

    def line(self, path: str) -> dict[str, Any]:
        """The one of the last request for it."""
        until(lambda: self.lines(path))
        time.sleep(0.2)
        (line,) = self.lines(path)
        return line

    def refusals(self, path: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in re.findall(r"^<6>(\{.*raab\.access.*\})$", self.log.read_text(), re.MULTILINE)]
        return [line for line in found if "refused" in line and line["path"].startswith(path)]

    def counted(self) -> Reading:
        return read(self.folder / "metrics")

    def statuses(self, route: str) -> dict[int, int]:
        counted: Counter[int] = Counter()
        for series in self.counted().series:
            if series.name.route == route:
                counted[series.name.status] += int(series.total)
        return dict(counted)


def read_all(client: socket.socket) -> bytes:
    data = b""
    try:
        while part := client.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def until(reached: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if reached():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("not reached")


@pytest.fixture
def begin(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts one with other settings than usual; it is ended with the test."""
    with ExitStack() as ending:

        def start(**settings: str) -> Service:
            usual = {**SETTINGS, "RUNTIME_DIRECTORY": str(tmp_path)}
            return Service(ending.enter_context(serve(FILES, **{**usual, **settings})), tmp_path)

        yield start


@pytest.fixture
def service(begin: Callable[..., Service]) -> Service:
    return begin()


def test_lines_and_counters_say_what_went_over_the_wire(service: Service) -> None:
    """A stream that raises before its first byte is a 500 and no 200; one cut in the middle says by whom; bytes are those sent."""
    assert service.get("/whole").startswith(b"HTTP/1.1 200 ")
    assert told(service.line("/whole")) == (200, 5, None)

    # What has no body has no bytes, whatever the application yields; and a client's own mistake is none of the application's.
    assert service.whole(b"HEAD /whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    until(lambda: any(line["method"] == "HEAD" and told(line) == (200, 0, None) for line in service.lines("/whole")))

    for path in ("/early", "/legacy/x"):
        assert service.get(path).startswith(b"HTTP/1.1 500 ")
        line = service.line(path)
        assert (line["status"], line.get("aborted")) == (500, None)
    assert service.statuses("/early") == service.statuses("/legacy/*") == {500: 1}

    for path in ("/late", "/declared"):
        assert b"0\r\n\r\n" not in service.get(path)[-5:]
        assert told(service.line(path)) == (200, 1000, "application")

    # It takes nothing; and the silence of an application is no fault.
    with service.connect("/big/stuck") as client:
        assert told(service.line("/big/stuck"))[::2] == (200, "time limit")
        client.recv(1)
    assert service.get("/silent").count(b"x" * 1000) == 2
    assert told(service.line("/silent")) == (200, 2000, None)

    with service.connect("/big") as client:
        client.recv(65536)
    line = service.line("/big")
    assert (line["status"], line["aborted"]) == (200, "client")
    assert line["bytes"] < 2000 * 65536

    reading = service.counted()
    (tally,) = reading.workers.values()
    # /early, /legacy, /late, /declared; what a client does is no fault of the application's.
    assert tally.failed == 4
    assert reading.aborted == {"client": 1, "application": 2, "time limit": 1, "worker": 0}
    assert reading.in_flight == 0


def test_what_fails_in_the_background_is_in_raabs_own_form(service: Service) -> None:
    """With the release, and without the id of a request that has long been answered."""
    for path in ("/greenlet", "/thread"):
        assert service.get(path).endswith(b"ok")
    until(lambda: service.log.read_text().count("Evil: x") == 2)
    found = [json.loads(line[3:]) for line in service.log.read_text().splitlines() if "Evil: x" in line and line.startswith("<3>{")]
    assert [(said["level"], said["release"]) for said in found] == [("ERROR", "development")] * 2


def test_what_a_worker_leaves_behind_has_its_line(service: Service) -> None:
    """An answer without end outlives no worker that has to leave: it is said who cut it, and it counts against nobody."""
    with service.connect("/endless") as client:
        client.recv(65536)
        service.process.send_signal(signal.SIGTERM)
        read_all(client)
    service.process.wait(20)
    status, sent, aborted = told(service.line("/endless"))
    assert (status, aborted) == (200, "worker")
    assert sent >= 1000
    assert service.counted().aborted["worker"] == 1


REFUSED = (
    (414, b"GET /long/" + b"x" * 300 + b"?secret HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/long/"),
    (431, b"GET /many HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 30 + b"\r\n", "GET", "/many"),
    (431, b"POST /large HTTP/1.1\r\nHost: x\r\nA: " + b"y" * 600 + b"\r\n\r\n", "POST", "/large"),
    (400, b"GET /bare HTTP/1.1\nHost: x\n\n", "GET", "/bare"),
    (400, b"\x16\x03\x01\x02\x00 <0>forged\r\n\r\n", "", ""),
    (400, b"GET /version HTTP/7.1\r\nHost: x\r\n\r\n", "GET", "/version"),
    (501, b"GET /coded HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "GET", "/coded"),
)


def test_who_is_not_waited_for_is_told_so(begin: Callable[..., Service]) -> None:
    """A client that hardly takes its answer would have gone on, had the worker not had to leave."""
    service = begin(RAAB_SERVER__GRACEFUL_TIMEOUT="20", RAAB_LIMITS__CLIENT="60")
    with service.connect("/big") as client:
        client.recv(1)
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(20)
    assert told(service.line("/big"))[::2] == (200, "worker")


def test_what_the_server_refuses_has_its_line_and_its_count(service: Service) -> None:
    """Of each: status and bytes as its client got them, and why. Limits are those of the settings; none of it is the release's fault."""
    expected: dict[int, int] = {}
    for _, sent, _, path in REFUSED:
        head, _, body = service.whole(sent).partition(b"\r\n\r\n")
        status = int(head.split()[1])
        until(lambda path=path, status=status: any(one["status"] == status for one in service.refusals(path)))  # type: ignore[misc]
        line = service.refusals(path)[-1]
        assert (line["bytes"], line["route"], line["peer"]) == (len(body), "", "127.0.0.1")
        expected[status] = expected.get(status, 0) + 1
    assert set(expected) == {status for status, _, _, _ in REFUSED}
    # /livez, by which the fixture waits, has a route.
    assert service.statuses("") == expected
    (tally,) = service.counted().workers.values()
    assert (tally.answered >= len(REFUSED), tally.failed) == (True, 0)
    assert "secret" not in service.log.read_text()
    assert all(re.match("<[2-7]>{|[0-9[]", line) for line in service.log.read_text().splitlines())


def told(line: dict[str, Any]) -> tuple[int, int, str | None]:
    return line["status"], line["bytes"], line.get("aborted")
