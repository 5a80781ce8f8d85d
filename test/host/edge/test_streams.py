"""What takes its time: uploads, event streams, WebSockets, and the connections that wait for the next request."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from typing import Any

import pytest

from raab.host.edge import compose, requests

BOTH = pytest.mark.parametrize("version", ["1.1", "2"])
HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = "GET /ws HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n"


def echo(asked: Any, conn: socket.socket) -> None:
    """As a WebSocket's application does, but for the framing, which the edge does not look at."""
    conn.sendall(HANDSHAKE)
    while data := conn.recv(1000):
        conn.sendall(data)


def websocket(edge: Any) -> Any:
    sock = edge.tls("shop.test")
    sock.sendall(UPGRADE.encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return sock


def said(sock: Any, word: bytes) -> bytes:
    sock.sendall(word)
    return bytes(sock.recv(1000))


def curl(edge: Any, version: str, path: str, *words: str) -> subprocess.Popen[bytes]:
    """Tells of the answer's head on stderr when it comes; what it writes to stdout is kept until there is something of the body."""
    command = ["curl", "-sv", "-N", f"--http{version}", "--resolve", f"shop.test:{edge.https}:127.0.0.1", "--cacert", str(edge.root)]
    command += [*words, f"https://shop.test:{edge.https}{path}"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout
    return process.stdout.readline().strip()


def status(process: subprocess.Popen[bytes]) -> int:
    """When the head is there."""
    assert process.stderr
    found = 0
    while (words := process.stderr.readline().split())[:1] != [b"<"] or len(words) > 1:
        assert words, "the connection has ended"
        if words[0] == b"<" and words[1].startswith(b"HTTP/"):
            found = int(words[2])
    return found


@BOTH
@pytest.mark.parametrize("kind", [b"text/event-stream", b"text/event-stream; charset=utf-8"])
def test_an_event_is_there_when_it_is_sent_and_the_head_before_any(edge: Any, app: Any, site: Any, version: str, kind: bytes) -> None:
    go = threading.Semaphore(0)

    def events(_: Any, conn: socket.socket) -> None:
        conn.sendall(STREAM % kind)
        for number in range(3):
            assert go.acquire(timeout=20)
            conn.sendall(b"data: %d\n\n" % number)

    edge.start(site(app(events)))
    client = curl(edge, version, "/events", "-H", "Accept-Encoding: gzip")
    assert status(client) == 200
    for number in range(3):
        go.release()
        assert (line(client), line(client)) == (b"data: %d" % number, b"")
    assert client.wait(20) == 0


@BOTH
def test_other_streams_pass_piece_by_piece(edge: Any, app: Any, site: Any, version: str) -> None:
    go = threading.Semaphore(1)

    def lines(_: Any, conn: socket.socket) -> None:
        conn.sendall(STREAM % b"application/x-ndjson")
        for number in range(3):
            assert go.acquire(timeout=20)
            conn.sendall(b"%d\n" % number)

    edge.start(site(app(lines)))
    client = curl(edge, version, "/lines", "-H", "Accept-Encoding: gzip")
    assert status(client) == 200
    for number in range(3):
        assert line(client) == b"%d" % number
        go.release()
    assert client.wait(20) == 0


@BOTH
def test_a_body_reaches_the_application_while_it_is_sent(edge: Any, app: Any, site: Any, version: str) -> None:
    came = threading.Event()

    def reads(_: Any, conn: socket.socket) -> bytes:
        got = b""
        while b"first" not in got:
            got += conn.recv(1000)
        came.set()
        while b"last" not in got:
            got += conn.recv(1000)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    edge.start(site(app(reads, whole=False), body_limit=0))
    client = curl(edge, version, "/", "-X", "POST", "-H", "Expect:", "-T", "-")
    assert client.stdin
    client.stdin.write(b"first")
    client.stdin.flush()
    assert came.wait(20)
    client.stdin.write(b"last")
    client.stdin.close()
    assert status(client) == 200
    assert client.wait(20) == 0


def test_a_websocket_passes_and_outlives_what_the_edge_is_told_meanwhile(edge: Any, app: Any, site: Any) -> None:
    edge.start(site(app(echo)))
    with websocket(edge) as sock:
        assert said(sock, b"one") == b"one"
        edge.load(site(app()), site(app(), service="blog", domains=("blog.test",)))
        assert edge.ask("https://shop.test/new").body == b"GET /new"
        time.sleep(0.5)
        assert said(sock, b"two") == b"two"


@BOTH
def test_an_answer_under_way_outlives_what_the_edge_is_told_meanwhile(edge: Any, app: Any, site: Any, version: str) -> None:
    go = threading.Event()

    def slow(_: Any, conn: socket.socket) -> None:
        conn.sendall(STREAM % b"text/plain" + b"one\n")
        assert go.wait(20)
        conn.sendall(b"two\n")

    edge.start(site(app(slow)))
    client = curl(edge, version, "/")
    assert status(client) == 200
    assert line(client) == b"one"
    edge.load(site(app(), hsts=1))
    assert edge.ask("https://shop.test/", version=version).headers["strict-transport-security"] == "max-age=1"
    go.set()
    assert line(client) == b"two"
    assert client.wait(20) == 0


def test_an_edge_that_ends_does_not_wait_for_a_stream_without_end(edge: Any, app: Any, site: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(compose, "_GRACE", "1s")

    def endless(_: Any, conn: socket.socket) -> None:
        conn.sendall(STREAM % b"text/event-stream")
        while True:
            conn.sendall(b":\n\n")
            time.sleep(0.1)

    web = app(endless)
    edge.start(site(web))
    before = curl(edge, "1.1", "/")
    assert status(before) == 200
    edge.load(site(web, hsts=1))
    now = curl(edge, "1.1", "/")
    assert status(now) == 200
    time.sleep(2)
    assert before.poll() is None, "what it is told anew ends none"
    edge.running.terminate()
    assert edge.running.wait(10) == 0
    assert before.wait(10) and now.wait(10)


def test_the_edge_closes_connections_that_wait_before_the_application_does(edge: Any, app: Any, site: Any, monkeypatch: Any) -> None:
    """The application's are 75 and 15 seconds (test_compose.py)."""
    monkeypatch.setattr(requests, "_IDLE", "1s")
    web = app()
    edge.start(site(web))
    for _ in range(3):
        assert edge.ask("https://shop.test/").status == 200
    deadline = time.monotonic() + 10
    while not web.left and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(web.left) == 1 and web.left[0] > 0.9, "one connection for all three, closed a second after the last"


@pytest.mark.prove
@BOTH
def test_neither_silence_nor_slowness_ends_anything(edge: Any, app: Any, site: Any, version: str) -> None:
    """For longer than any limit of Caddy's, which are a minute."""
    got: list[bytes] = []

    def serves(asked: Any, conn: socket.socket) -> bytes | None:
        if asked.path == "/ws":
            return echo(asked, conn)
        if asked.path == "/events":
            conn.sendall(STREAM % b"text/event-stream")
            time.sleep(70)
            conn.sendall(b"data: late\n\n")
            return None
        if asked.path == "/slow":
            time.sleep(70)
        else:
            while b"end" not in b"".join(got):
                got.append(conn.recv(1000))
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    edge.start(site(app(serves, whole=False), body_limit=0))
    events, slow = curl(edge, version, "/events"), curl(edge, version, "/slow")
    upload = curl(edge, version, "/upload", "-X", "POST", "-H", "Expect:", "-T", "-")
    assert upload.stdin
    with websocket(edge) as sock:
        for _ in range(70):
            upload.stdin.write(b".")
            upload.stdin.flush()
            time.sleep(1)
        sock.settimeout(10)
        assert said(sock, b"still here") == b"still here"
    upload.stdin.write(b"end")
    upload.stdin.close()
    assert [status(one) for one in (upload, slow, events)] == [200, 200, 200]
    assert line(events) == b"data: late"
