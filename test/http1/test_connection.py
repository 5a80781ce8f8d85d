"""One request, one answer, over a real socket."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Server, Sink

CHUNKED = b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
SOUND = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", data)]


def post(path: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode() + body


BROKEN = {
    "a chunk that is none": b"2\r\nab\r\nzz\r\n",
    "a chunk that is longer than it said": b"2\r\nabc\r\n0\r\n\r\n",
    "a trailer that is forbidden": b"2\r\nab\r\n0\r\nContent-Length: 3\r\n\r\n",
    "a line that ends in LF": b"2\nab\n0\n\n",
    "an extension that is none": b"2;\x01\r\nab\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_body_that_nobody_read_is_nobodys_answer(server: Server, name: str) -> None:
    """A proxy that pools connections would give the second answer to somebody else."""
    assert statuses(server.ask(b"POST /nothing HTTP/1.1\r\n" + CHUNKED + BROKEN[name] + SOUND)) == [404]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_body_is_the_clients_fault(server: Server, name: str) -> None:
    """And the connection ends with it: where the next request begins nobody knows."""
    said = server.ask(b"POST /echo HTTP/1.1\r\n" + CHUNKED + BROKEN[name] + SOUND)
    assert statuses(said) == [400] and b"\r\nConnection: close\r\n" in said


def test_bodies_come_as_they_were_sent(server: Server) -> None:
    """In one piece, in chunks of all sizes, and one after the other on the same connection."""
    data = b"ab\ncd" * 40_000
    chunks = b"".join(b"%x;a=b\r\n%b\r\n" % (len(data[at : at + 777]), data[at : at + 777]) for at in range(0, len(data), 777))
    first = post("/echo", f"Content-Length: {len(data)}", body=data)
    second = b"POST /echo HTTP/1.1\r\n" + CHUNKED + chunks + b"0\r\nX-T: y\r\n\r\n"
    third = post("/lines", "Content-Length: 7", "Connection: close", body=b"a\nbc\n\nd")
    said = server.ask(first + second + third)
    assert statuses(said) == [200, 200, 200]
    assert said.count(b"\r\n6\r\n200000\r\n0\r\n\r\n") == 2
    assert said.endswith(repr([b"a\n", b"bc\n", b"\n", b"d"]).encode())


def test_half_an_upload_is_none(server: Server) -> None:
    """It raises in the application, and is 400."""
    said = server.ask(post("/echo", "Content-Length: 10", body=b"abc"), half_close=True)
    assert statuses(said) == [400]


def test_continue_is_said_when_the_application_reads(server: Server) -> None:
    """And not before: a body that nobody wants is not asked for."""
    with server.connect() as client:
        client.sendall(post("/echo", "Content-Length: 3", "Expect: 100-continue"))
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert statuses(client.recv(1000)) == [200]
    said = server.ask(post("/nothing", "Content-Length: 3", "Expect: 100-continue"))
    assert statuses(said) == [404] and b"\r\nConnection: close\r\n" in said


@pytest.mark.parametrize("path", ["/nothing", "/"])
def test_who_pours_can_read_the_answer(server: Server, path: str) -> None:
    """It says that the connection ends; a reset would take it from who goes on sending."""
    with server.connect() as client:
        client.sendall(post(path, "Content-Length: 100000000"))
        for _ in range(100):
            client.sendall(b"x" * 65536)
        said = client.recv(1000)
    assert len(statuses(said)) == 1 and b"\r\nConnection: close\r\n" in said


@contextlib.contextmanager
def pouring(connect: Callable[[], socket.socket], path: str) -> Iterator[None]:
    """Three that send as fast as they can."""
    end = threading.Event()

    def pour() -> None:
        piece = b"x" * 1_000_000
        while not end.is_set():
            with connect() as client:
                try:
                    client.sendall(post(path, "Content-Length: 500000000"))
                    while not end.is_set():
                        client.sendall(piece)
                except OSError:
                    pass

    pourers = [threading.Thread(target=pour) for _ in range(3)]
    for one in pourers:
        one.start()
    try:
        yield
    finally:
        end.set()
        for one in pourers:
            one.join()


def slowest(server: Server, times: int) -> float:
    """How many seconds the slowest of so many requests takes, one after the other."""
    found = 0.0
    with server.connect() as client:
        for _ in range(times):
            begun = time.monotonic()
            client.sendall(SOUND)
            assert statuses(client.recv(1000)) == [200]
            found = max(found, time.monotonic() - begun)
            time.sleep(0.03)
    return found


@pytest.mark.parametrize("path", ["/nothing", "/echo"])
def test_who_pours_keeps_nobody_waiting(server: Server, sink: Sink, path: str) -> None:
    """Into what is read and what is not. The same poured into somebody else, who throws it away, tells how long the machine alone has a
    request wait: one of three tries takes no more than a few times as long."""
    seen = []
    for _ in range(3):
        with pouring(sink.connect, path):
            alone = slowest(server, 15)
        with pouring(server.connect, path):
            seen.append((slowest(server, 15), alone))
        if seen[-1][0] < 0.1 + 4 * alone:
            return
    raise AssertionError(f"seconds, with those of the machine alone: {seen}")


@pytest.mark.prove
@pytest.mark.parametrize("path", ["/nothing", "/echo"])
def test_who_pours_keeps_nobody_waiting_for_half_a_second(server: Server, path: str) -> None:
    """The slowest of many, on a machine that does nothing else."""
    with pouring(server.connect, path):
        assert slowest(server, 200) < 0.5


def test_an_answer_is_as_long_as_it_says(server: Server) -> None:
    """500 where nothing was sent yet; else the connection ends before the answer does, and never in the next one's head."""
    assert statuses(server.ask(b"GET /declared/3/abcd HTTP/1.1\r\nHost: x\r\n\r\n" + SOUND)) == [500]
    assert statuses(server.ask(b"GET /declared/3 HTTP/1.1\r\nHost: x\r\n\r\n" + SOUND)) == [500]
    for path, sent in (("/declared/5/abc", b"abc"), ("/declared/5/abc/def", b"abc"), ("/declared/3/abc/d", b"abc")):
        said = server.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND)
        assert statuses(said) == [200] and said.endswith(b"\r\n\r\n" + sent)
    assert "the answer has 3 bytes and its Content-Length is 5" in server.said()
    assert statuses(server.ask(b"GET /declared/3/abc HTTP/1.1\r\nHost: x\r\n\r\n" + SOUND)) == [200, 200]


@pytest.mark.parametrize("error", ["SystemExit", "GreenletExit", "KeyboardInterrupt", "ValueError", "OSError", "Timeout"])
def test_an_application_that_raises_is_500_or_cut(server: Server, error: str) -> None:
    """Whatever it raises, before its answer, before the first byte of it, or in the middle: then without the end of the chunks."""
    for path in (f"/raise/{error}", f"/raise/{error}/"):
        said = server.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND)
        assert statuses(said) == [500] and b"\r\nConnection: close\r\n" in said
    said = server.ask(f"GET /raise/{error}/abc HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND)
    assert statuses(said) == [200] and said.endswith(b"\r\n3\r\nabc\r\n")
    assert f"Error handling request GET /raise/{error}/abc" in server.said()


def test_statuses_without_a_body_have_none(server: Server) -> None:
    """RFC 9110 section 6.4.1; the next answer follows at once."""
    for status, length in (("204+No+Content", False), ("304+Not+Modified", True)):
        said = server.ask(f"GET /head/{status} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND)
        assert len(statuses(said)) == 2 and b"abc" not in said
        assert (b"Content-Length: 3" in said) is length
    said = server.ask(b"HEAD /head/200+OK HTTP/1.1\r\nHost: x\r\n\r\n" + SOUND)
    assert statuses(said) == [200, 200] and b"Content-Length: 3" in said and b"abc" not in said


@pytest.mark.parametrize("status", ["100+Continue", "102+Processing", "103+Early+Hints", "199+x", "101+Switching+Protocols"])
def test_what_is_no_final_status_is_no_answer(server: Server, status: str) -> None:
    """Its client would wait for another one, and take the next request's for it; nobody has asked to leave HTTP either."""
    said = server.ask(f"GET /head/{status} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND)
    assert statuses(said) == [500] and b"\r\nConnection: close\r\n" in said


def test_a_status_without_a_reason_has_its_blank(server: Server) -> None:
    """RFC 9112 section 4."""
    assert server.ask(b"GET /head/200 HTTP/1.1\r\nHost: x\r\n\r\n", seconds=0.5).startswith(b"HTTP/1.1 200 \r\n")


@pytest.mark.parametrize("path", ["/endless", "/endless/events"])
def test_who_asks_for_the_head_of_what_has_no_end_gets_it_and_goes_on(server: Server, path: str) -> None:
    """An application that yields without end keeps neither that client waiting nor anybody else."""
    said = server.ask(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + SOUND, seconds=1)
    assert statuses(said) == [200, 200] and b"data" not in said


@pytest.mark.parametrize(("path", "broken"), [("/raise/ValueError/abc", True), ("/raise/SystemExit/abc", True), ("/echo", False)])
def test_half_of_what_ends_with_its_connection_is_a_reset(server: Server, path: str, broken: bool) -> None:
    """A client that speaks HTTP/1.0, as nginx does unless it is told otherwise, has nothing else to know it by."""
    with server.connect() as client:
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        time.sleep(0.2)
        with pytest.raises(ConnectionResetError) if broken else contextlib.nullcontext():
            while client.recv(65536):
                pass


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_an_event_stream_ends_with_its_client(server: Server, how: str) -> None:
    """Also when nothing is sent that would fail: it would keep its place for ever."""
    closed = server.said().count("closed")
    with server.connect() as client:
        client.sendall(b"GET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(client.recv(1000)) == [200]
        time.sleep(0.3)
        assert server.said().count("closed") == closed
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    for _ in range(20):
        if server.said().count("closed") > closed:
            return
    raise AssertionError("it has not ended")


def test_an_answers_head_cannot_be_split(server: Server) -> None:
    """500, and the value in no log."""
    said = server.ask(b"GET /header HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(said) == [500] and b"Set-Cookie" not in said


def test_a_connection_ends_as_agreed(server: Server) -> None:
    """By the client's wish, the application's, or the age of the protocol."""
    assert statuses(server.ask(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n" + SOUND)) == [200]
    assert statuses(server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Foo, CLOSE\r\n\r\n" + SOUND)) == [200]
    assert statuses(server.ask(b"GET / HTTP/1.0\r\n\r\n" + SOUND)) == [200]
    said = server.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + SOUND)
    assert statuses(said) == [200, 200] and said.count(b"Connection: keep-alive") == 1
    said = server.ask(b"POST /echo HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc")
    assert said.endswith(b"\r\nConnection: close\r\n\r\n3")


def test_an_upgrade_that_is_declined_is_a_request_like_any_other(server: Server) -> None:
    """The next one follows on the same connection, as long as nobody has had that in his hands."""
    wish = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert statuses(server.ask(wish + SOUND)) == [200, 200]


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    """Also when they come byte by byte."""
    data = b"".join(b"GET /environ?%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(20))
    said = server.ask(data)
    assert re.findall(rb"QUERY_STRING=(\d+)", said) == [b"%d" % number for number in range(20)]
    with server.connect() as client:
        for at in range(120):
            client.sendall(data[at : at + 1])
        assert statuses(client.recv(100_000))


def test_early_hints_come_before_the_answer(server: Server) -> None:
    """103, then 200; nobody who speaks HTTP/1.0 gets one."""
    assert statuses(server.ask(b"GET /hints HTTP/1.1\r\nHost: x\r\n\r\n")) == [103, 200]
    assert statuses(server.ask(b"GET /hints HTTP/1.0\r\nHost: x\r\n\r\n")) == [200]


def test_a_head_that_does_not_come_is_waited_for_in_vain_by_nobody_else(server: Server) -> None:
    """A line that will never be one is refused before it is whole."""
    assert statuses(server.ask(b"GET / HTTP/1.1\nHost: x\n")) == [400]
    assert statuses(server.ask(b"GET /" + b"a" * 5000)) == [414]
    assert statuses(server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + (b"b" * 8000 + b"\r\nA: ") * 9)) == [431]
    assert "refused 414 the request line has more than 4094 bytes 127.0.0.1" in server.said()
