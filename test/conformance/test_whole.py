"""Whole or not at all: uploads that end too early, answers of another length than announced, views that leave by the back door."""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .proxies import proxied
from .service import Service
from .wire import Wire, request

if TYPE_CHECKING:
    from ..conftest import Programs

HEAD = "POST {} HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n"
CHUNKED, TEN = "Transfer-Encoding: chunked", "Content-Length: 10"
ERRORS = ("exit", "exit-quietly", "kill", "interrupt", "error", "stop")


def post(path: str, field: str, body: bytes = b"") -> bytes:
    return HEAD.format(path, field).encode() + body


def said(service: Service, since: int) -> str:
    return service.log.read_text()[since:]


def mark(service: Service) -> int:
    return len(service.log.read_text())


@pytest.mark.parametrize(
    ("field", "body"),
    [
        (CHUNKED, b"5\r\nhello\r\nXX\r\n"),
        (CHUNKED, b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
        (CHUNKED, b"5\r\nhelloXX"),
        (TEN, b"hello"),
    ],
    ids=["broken chunk", "forbidden trailer", "chunk that does not end", "early end"],
)
@pytest.mark.parametrize(("path", "status"), [("/unread", 200), ("/half", 200), ("/livez", 405), ("/flask/nothing", 404), ("/stream", 200)])
def test_what_is_wrong_with_a_body_that_nobody_reads_is_nobodys_answer(
    service: Service, path: str, status: int, field: str, body: bytes
) -> None:
    """It has had its answer. A second one would be taken, by a proxy that pools connections, for the answer to somebody else."""
    with Wire(service.address) as wire:
        wire.send(post(path, field, body), ends=True)
        answer = wire.answer()
        assert answer is not None and answer.whole
        # What a view reads itself it is told of.
        assert answer.status == status or (path == "/half" and answer.status == 400)
        assert wire.rest() == b""


@pytest.mark.parametrize(
    ("field", "body"),
    [(TEN, b""), (TEN, b"hello"), (CHUNKED, b"5\r\nhel"), (CHUNKED, b"5\r\nhello\r\n"), (CHUNKED, b"5\r\nhello\r\n0\r\n"), (CHUNKED, b"")],
)
@pytest.mark.parametrize("path", ["/caught", "/swallowing", "/flask/data", "/flask/form", "/flask/json", "/upload?line", "/upload?3"])
def test_an_upload_that_ends_early_is_400(service: Service, path: str, field: str, body: bytes) -> None:
    """And the view sees an error where it reads: it must not take the half for the whole. One that takes no notice may go on."""
    service.seen()
    data = post(path, field, body).replace(b"\r\n\r\n", b"\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n", 1)
    if path == "/flask/json":
        data = data.replace(b"application/x-www-form-urlencoded", b"application/json")
    with Wire(service.address) as wire:
        wire.send(data, ends=True)
        answer = wire.answer()
        assert answer is not None
        assert answer.status == 400 or path == "/swallowing", answer
        assert wire.rest() == b""
    seen = service.seen()
    assert "whole" not in seen
    if path == "/caught":
        assert any(line.startswith("raised ") for line in seen), seen


def test_a_client_that_goes_away_within_its_upload_is_no_error_of_the_application(service: Service) -> None:
    """A reset in the middle of a body: the view sees an error, and the log has no traceback of it."""
    service.seen()
    since = mark(service)
    client = socket.create_connection(service.address)
    client.sendall(post("/caught", TEN, b"hello"))
    time.sleep(0.2)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    time.sleep(0.3)
    assert any(line.startswith("raised ") for line in service.seen())
    assert "Traceback" not in said(service, since)


@pytest.mark.parametrize("path", ["/short", "/empty"])
@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
def test_an_answer_that_is_too_short_ends_its_connection(service: Service, path: str, fields: tuple[str, ...]) -> None:
    """At once: else its client waits for the rest, or takes the next answer's head for it."""
    since = mark(service)
    with Wire(service.address) as wire:
        wire.send(request(path, *fields) + request("/smuggled"))
        answer = wire.answer()
        assert answer is not None
        assert answer.status == 500 if path == "/empty" else not answer.whole
        assert wire.rest() == b""
    assert "Content-Length" in said(service, since)


@pytest.mark.parametrize("path", ["/long", "/long-at-once"])
def test_an_answer_that_is_too_long_gives_nothing_to_the_next_request(service: Service, path: str) -> None:
    """What is beyond its Content-Length is not sent; nothing else comes on that connection; the log says so."""
    since = mark(service)
    with Wire(service.address) as wire:
        wire.send(request(path))
        answer = wire.answer()
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"12345") or answer.status == 500
        wire.send(request("/smuggled"))
        assert wire.rest() == b""
    assert "Content-Length" in said(service, since)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("where", ["", "/0"])
def test_whatever_a_view_raises_is_500(service: Service, name: str, where: str) -> None:
    """Where nothing of an answer has been sent: sys.exit() and GreenletExit as well, in the view or in its generator."""
    since, pids = mark(service), service.pids()
    with Wire(service.address) as wire:
        wire.send(request(f"/{name}{where}"))
        answer = wire.answer()
        assert answer is not None and answer.status == 500 and answer.whole, answer
    assert service.pids() == pids
    assert "Traceback" in said(service, since)


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_whatever_a_generator_raises_cuts_its_answer(service: Service, name: str, version: str) -> None:
    """In the middle of a stream: the connection ends without the end of the answer, so that its client knows; the log tells of it."""
    since, pids = mark(service), service.pids()
    with Wire(service.address) as wire:
        wire.send(request(f"/{name}/2").replace(b"HTTP/1.1", b"HTTP/" + version.encode()) + request("/smuggled"))
        answer = wire.answer()
        assert answer is not None and answer.status == 200
        assert answer.body == b"part\npart\n"
        assert version == "1.0" or not answer.whole
        assert wire.rest() == b""
    assert service.pids() == pids
    assert "Traceback" in said(service, since)


@pytest.mark.parametrize("name", ["haproxy", "nginx", "nginx-1.0"])
def test_half_an_answer_stays_half_behind_a_proxy(service: Service, programs: Programs, tmp_path: Path, name: str) -> None:
    """Also behind one that speaks HTTP/1.0 to the service, where nothing but its end tells that an answer has one."""
    with proxied(programs, name, tmp_path, service.address) as address:
        for path in (f"/{error}/2" for error in ERRORS):
            with Wire(address) as wire:
                wire.send(request(path))
                answer = wire.answer()
                assert answer is None or answer.status == 502 or not answer.whole, (path, answer)
        with Wire(address) as wire:
            wire.send(request("/stream"))
            answer = wire.answer()
            assert answer is not None and answer.whole and answer.body.endswith(b"part 4\n")


@pytest.mark.parametrize("path", ["/echo", "/unread", "/livez", "/flask/data", "/flask/nothing"])
def test_a_body_announced_too_large_is_refused_before_it_is_asked_for(service: Service, path: str) -> None:
    """No 100 Continue before 413."""
    with Wire(service.address) as wire:
        wire.send(post(path, "Content-Length: 100001\r\nExpect: 100-continue"))
        answer = wire.answer()
        assert answer is not None and answer.status == 413, answer
        assert answer.fields.get("connection") == "close"
        assert wire.rest() == b""


def test_a_body_is_asked_for_when_it_is_read(service: Service) -> None:
    """100 Continue comes when the application reads, and not at all where it does not; the connection is closed there, since nobody
    knows whether the body will come."""
    with Wire(service.address) as wire:
        wire.send(post("/echo", "Content-Length: 5\r\nExpect: 100-continue"))
        interim = wire.answer()
        assert interim is not None and interim.status == 100
        wire.send(b"hello")
        answer = wire.answer()
        assert answer is not None and b"length=5" in answer.body
    with Wire(service.address) as wire:
        wire.send(post("/unread", "Content-Length: 5\r\nExpect: 100-continue"))
        answer = wire.answer()
        assert answer is not None and answer.status == 200
        assert answer.fields.get("connection") == "close"
        assert wire.rest() == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (post("/echo", "Content-Length: 4000000"), 413), (post("/livez", "Content-Length: 4000000"), 413),
        (post("/flask/data", "Content-Length: 4000000"), 413), (post("/echo", "Host: i\r\nContent-Length: 4000000"), 400),
        (post("/echo", "A : b\r\nContent-Length: 4000000"), 400),
    ],
    ids=["echo", "livez", "flask", "two hosts", "malformed"],
)  # fmt: skip
def test_a_refusal_can_be_read_by_a_client_that_still_sends(service: Service, data: bytes, status: int) -> None:
    """It sends its whole upload before it looks, as simple clients do. Closed at once, the connection would be reset, the answer lost."""
    with Wire(service.address, patience=10) as wire:
        wire.send(data + b"x" * 4_000_000)
        answer = wire.answer()
        assert answer is not None and answer.status == status
        assert answer.fields.get("connection") == "close"
        assert wire.rest() == b""


def test_a_refused_client_that_goes_on_for_ever_is_left(service: Service) -> None:
    """The rest is thrown away for some seconds only."""
    with socket.create_connection(service.address) as client:
        client.sendall(post("/echo", "Content-Length: 1000000000000"))
        client.settimeout(15)
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(1000):
                client.send(b"x" * 1000)
                time.sleep(0.05)


def test_every_request_has_one_line(service: Service) -> None:
    """After all of the above: as many access lines as answers, each a whole one."""
    with Wire(service.address) as wire:
        for _ in range(5):
            wire.send(request("/echo/once"))
            assert wire.answer() is not None
    time.sleep(0.5)
    lines = [json.loads(line[3:]) for line in service.log.read_text().splitlines() if "raab.access" in line]
    assert [line["status"] for line in lines if line["path"] == "/echo/once"] == [200] * 5
