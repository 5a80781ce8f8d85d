"""Mounts that are applications elsewhere: real ones on this machine, asked through a real worker."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Elsewhere(ThreadingHTTPServer):
    """An application elsewhere. `seen` are the requests that reached it, `events` what it waits for or says."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self.seen: list[str] = []
        self.open: list[socket.socket] = []
        self.go_on, self.some_arrived, self.client_left = threading.Event(), threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", port), Handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""

    def die(self) -> None:
        """As a process that is killed: nobody listens, and open connections are shut."""
        self.shutdown()
        self.server_close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Elsewhere

    def setup(self) -> None:
        super().setup()
        self.server.open.append(self.connection)

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
            self.server.some_arrived.set()
        self.rfile.readline()
        return whole

    def handle_any(self) -> None:
        server = self.server
        server.seen.append(f"{self.command} {self.path}")
        word = self.path.split("?")[0].strip("/").split("/")[0]
        if word == "close":
            self.body()
            self.close_connection = True
            return
        if word == "hang":
            self.body()
            server.go_on.wait(20)
        if word == "upload":
            # What the client has sent so far is here before it has sent the rest.
            length = int(self.headers["Content-Length"])
            begun = self.rfile.read(100_000)
            server.some_arrived.set()
            whole = begun + self.rfile.read(length - len(begun))
            if len(whole) < length:
                server.client_left.set()
                return
            self.answer({"sha256": hashlib.sha256(whole).hexdigest()})
            return
        if word == "early":
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if word == "odd":
            self.wfile.write(b"HTTP/1.1 299 \r\nContent-Length: 3\r\nContent-Length: 3\r\nX-Folded: a\r\n b\r\n\r\nodd")
            return
        if word == "lengths":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc")
            return
        if word == "both":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            return
        if word in ("chunks", "endless", "until-close"):
            self.stream(word)
            return
        if word == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x" * 10)
            self.close_connection = True
            return
        if word == "big":
            self.send_response(200)
            self.send_header("Content-Length", str(16 << 20))
            self.end_headers()
            for number in range(256):
                self.wfile.write(bytes([number]) * 65536)
            return
        body = self.body()
        self.answer({
            "name": server.name, "method": self.command, "path": self.path, "body": hashlib.sha256(body).hexdigest(), "length": len(body),
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
        })  # fmt: skip

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any

    def answer(self, found: Any) -> None:
        text = json.dumps(found).encode()
        self.send_response(207)
        for name, value in (
            ("Content-Type", "application/json"), ("Content-Length", str(len(text))), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
            ("Connection", "keep-alive, X-Between"), ("X-Between", "neighbours"), ("Keep-Alive", "timeout=5"), ("X-Request-ID", "theirs"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def stream(self, word: str) -> None:
        self.send_response(200)
        chunked = word != "until-close"
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Connection", "close")))
        self.end_headers()
        self.close_connection = not chunked
        try:
            self.piece(b"first ", chunked)
            while word == "endless":
                self.piece(b"y" * 65536, chunked)
            self.server.go_on.wait(20)
            self.piece(b"second", chunked)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.client_left.set()

    def piece(self, text: bytes, chunked: bool) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(text), text) if chunked else text)
        self.wfile.flush()


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Elsewhere]]:
    """Starts applications elsewhere, and ends them."""
    with contextlib.ExitStack() as ending:

        def begin(name: str = "one", port: int = 0) -> Elsewhere:
            server = Elsewhere(name, port)
            ending.callback(server.server_close)
            ending.callback(server.shutdown)
            ending.callback(server.go_on.set)
            return server

        yield begin


@pytest.fixture
def front(serve: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """`front(servers, ...)`: a worker that forwards /up to them."""
    with contextlib.ExitStack() as ending:

        def begin(*servers: Elsewhere, path: str = "", **environ: str) -> Any:
            urls = ", ".join(f"http://127.0.0.1:{server.port}{path}" for server in servers)
            return ending.enter_context(serve({}, RAAB_PROJECT__MOUNTS=f"{{/up: [{urls}]}}", RAAB_LIMITS__BODY="100000000", **environ))

        yield begin


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    length = (f"Content-Length: {len(body)}",) if body else ()
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: shop.example", "Connection: close", *length, *headers, "", ""]).encode() + body


def head_of(answer: bytes) -> list[tuple[str, str]]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    parts = [line.partition(":") for line in lines[1:]]
    return [("status", lines[0].split()[1]), *((name.lower(), value.strip()) for name, _, value in parts)]


def seen(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def until(client: socket.socket, text: bytes) -> bytes:
    """What comes, as far as `text`."""
    data = b""
    while text not in data:
        part = client.recv(65536)
        assert part, data
        data += part
    return data


def test_a_request_and_its_answer_pass_through(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """Path below the mount, query, method, body, headers and status; not what is between two neighbours, nor what a client made up."""
    server = elsewhere()
    through = front(server, path="/base")
    lies = (
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil",
        "X-Forwarded-Prefix: /evil",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
    )
    between = ("Connection: close, X-Secret", "X-Secret: s", "TE: trailers", "Upgrade: h2c", "Proxy-Authorization: p")
    sent = request("PUT", "/up/a%20b/%C3%A9?q=%2F&r", *lies, *between, "X-Own: mine", "Cookie: c=d", body=b"\x00\xff" * 50_000)
    answer = through.ask(sent.replace(b"Connection: close\r\n", b"", 1))
    there, back = seen(answer), head_of(answer)
    assert (there["method"], there["path"]) == ("PUT", "/base/a%20b/%C3%A9?q=%2F&r")
    assert (there["length"], there["body"]) == (100_000, hashlib.sha256(b"\x00\xff" * 50_000).hexdigest())
    told = dict(there["headers"])
    assert len(told) == len(there["headers"])
    forwarded = {name: value for name, value in told.items() if "forwarded" in name or "real" in name}
    assert forwarded == {
        "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "shop.example", "x-forwarded-prefix": "/up",
    }  # fmt: skip
    assert (told["host"], told["x-own"], told["cookie"]) == ("shop.example", "mine", "c=d")
    assert not {"x-secret", "te", "upgrade", "proxy-authorization", "keep-alive"} & set(told)
    assert back[0] == ("status", "207")
    assert [value for name, value in back if name == "set-cookie"] == ["a=1", "b=2"]
    names = [name for name, _ in back]
    assert not {"x-between", "keep-alive"} & set(names)
    assert [value for name, value in back if name == "x-request-id"] == [told["x-request-id"]] != ["theirs"]
    assert names.count("date") == names.count("server") == names.count("content-length") == 1
    time.sleep(0.5)
    line = json.loads(next(line for line in through.log.read_text().splitlines() if "raab.access" in line).removeprefix("<6>"))
    assert (line["route"], line["path"], line["status"]) == ("/up/*", "/up/a b/\u00c3\u00a9", 207)


def test_head_and_chunked_bodies_pass(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """A HEAD's answer has the length and no body; a body of unknown length stays one."""
    through = front(elsewhere())
    answer = through.ask(request("HEAD", "/up/x"))
    assert int(dict(head_of(answer))["content-length"]) > 100 and answer.endswith(b"\r\n\r\n")
    there = seen(through.ask(request("POST", "/up/x", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
    assert (there["length"], dict(there["headers"]).get("transfer-encoding")) == (5, "chunked")


@pytest.mark.parametrize("kind", ["chunks", "until-close"])
def test_an_answer_comes_as_it_is_made(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any], kind: str) -> None:
    """Its first part is here before the second one is made, and a silence longer than limits.request is none of ours."""
    server = elsewhere()
    with front(server, RAAB_LIMITS__REQUEST="1").connect() as client:
        client.sendall(request("GET", f"/up/{kind}"))
        until(client, b"first ")
        time.sleep(3)
        server.go_on.set()
        until(client, b"second")


def test_a_body_goes_as_it_comes(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """The application elsewhere has its beginning before the client has sent the rest."""
    server = elsewhere()
    body = bytes(range(256)) * 2000
    whole = request("POST", "/up/upload", body=body)
    with front(server).connect() as client:
        client.sendall(whole[:-200_000])
        assert server.some_arrived.wait(10)
        client.sendall(whole[-200_000:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert seen(answer) == {"sha256": hashlib.sha256(body).hexdigest()}


def test_half_a_body_is_not_taken_for_the_whole(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """A client that leaves in the middle leaves the application elsewhere in the middle, too."""
    server = elsewhere()
    with front(server).connect() as client:
        client.sendall(request("POST", "/up/upload", body=b"x" * 500_000)[:-200_000])
        assert server.some_arrived.wait(10)
    assert server.client_left.wait(10)


def test_large_answers_are_whole(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """16 MiB, to the byte."""
    answer = front(elsewhere()).ask(request("GET", "/up/big"))
    expected = b"".join(bytes([number]) * 65536 for number in range(256))
    assert hashlib.sha256(answer.partition(b"\r\n\r\n")[2]).digest() == hashlib.sha256(expected).digest()


def test_a_client_that_leaves_is_left(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """The application elsewhere does not go on for nobody."""
    server = elsewhere()
    with front(server).connect() as client:
        client.sendall(request("GET", "/up/endless"))
        until(client, b"first ")
    assert server.client_left.wait(10)


def test_an_answer_that_breaks_off_breaks_off_here(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """Nobody takes half of it for the whole, and the log names who ended it."""
    through = front(elsewhere())
    answer = through.ask(request("GET", "/up/cut"))
    assert ("content-length", "100") in head_of(answer) and answer.endswith(b"\r\n\r\n" + b"x" * 10)
    time.sleep(0.5)
    assert "ended its answer early" in through.log.read_text()


def test_requests_are_shared_and_none_is_lost_with_a_server(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """Two share them. One is killed: the other answers every request, those with bodies as well. It comes back and gets its share."""
    one, two = elsewhere("one"), elsewhere("two")
    through = front(one, two)

    def names(count: int) -> list[str]:
        methods = ("GET", "POST")
        answers = [through.ask(request(methods[n % 2], "/up/x", body=b"b" * (n % 2))) for n in range(count)]
        return [seen(answer)["name"] for answer in answers]

    assert sorted(names(20)) == ["one"] * 10 + ["two"] * 10
    one.die()
    assert names(20) == ["two"] * 20
    assert through.log.read_text().count("is left out for 10 s") == 1
    elsewhere("one", one.port)
    time.sleep(10.5)
    assert sorted(names(20)) == ["one"] * 10 + ["two"] * 10
    assert f"http://127.0.0.1:{one.port} answers again" in through.log.read_text()


@pytest.mark.parametrize(
    ("method", "body", "times"), [("GET", b"", 2), ("DELETE", b"", 2), ("POST", b"", 1), ("POST", b"x", 1), ("PUT", b"x", 1)]
)
def test_what_may_have_been_done_is_not_done_again(
    elsewhere: Callable[..., Elsewhere], front: Callable[..., Any], method: str, body: bytes, times: int
) -> None:
    """A server that takes a request and closes: it gets it again where that does no harm, else the client is told."""
    server = elsewhere()
    answer = front(server).ask(request(method, "/up/close", body=body))
    assert (head_of(answer)[0], server.seen) == (("status", "502"), [f"{method} /close"] * times)


def test_a_connection_that_is_closed_in_the_moment_of_its_use_costs_nothing(
    elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]
) -> None:
    """A kept one is shut by the other side between two requests, a hundred times."""
    server = elsewhere()
    through = front(server)
    for number in range(100):
        assert head_of(through.ask(request(("GET", "POST")[number % 2], "/up/x")))[0] == ("status", "207")
        for one in server.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
    assert len(server.seen) == 100


def test_an_interim_answer_is_nobody_elses(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """Python's client takes it for the answer, and the answer for the next one's: so the request fails, and no other one does."""
    through = front(elsewhere())
    for number in range(5):
        assert head_of(through.ask(request("GET", "/up/early")))[0] == ("status", "502")
        assert seen(through.ask(request("GET", f"/up/{number}")))["path"] == f"/{number}"


def test_an_odd_answer_passes(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """A status without a name; a header over two lines, and a length said twice, which come as one; chunks that somebody has added a
    length to. With two different lengths nobody knows its end."""
    through = front(elsewhere())
    answer = through.ask(request("GET", "/up/odd"))
    assert head_of(answer)[0] == ("status", "299") and ("x-folded", "a b") in head_of(answer) and answer.endswith(b"odd")
    assert [name for name, _ in head_of(answer)].count("content-length") == 1
    both = through.ask(request("GET", "/up/both"))
    assert "content-length" not in dict(head_of(both)) and b"abc" in both
    assert head_of(through.ask(request("GET", "/up/lengths")))[0] == ("status", "502")


def test_nobody_there_is_a_502_and_a_silent_one_a_504(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any]) -> None:
    """With a page of raab's, within limits.request; and the worker answers others meanwhile."""
    gone, silent = elsewhere(), elsewhere()
    gone.die()
    assert head_of(front(gone).ask(request("GET", "/up/x")))[0] == ("status", "502")
    through = front(silent, RAAB_LIMITS__REQUEST="2")
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(through.ask(request("POST", "/up/hang"))))
    waiting.start()
    time.sleep(0.5)
    assert head_of(through.ask(request("GET", "/livez")))[0] == ("status", "200")
    waiting.join(10)
    assert head_of(answers[0])[0] in (("status", "504"), ("status", "503"))


@pytest.mark.parametrize("path", ["/up/../secret", "/up/a/%2e%2e/b", "/up/."])
def test_a_path_leads_nowhere_else(elsewhere: Callable[..., Elsewhere], front: Callable[..., Any], path: str) -> None:
    """Not out of the folder that requests are forwarded to."""
    server = elsewhere()
    assert head_of(front(server, path="/base").ask(request("GET", path)))[0][1] in ("400", "404")
    assert server.seen == []
