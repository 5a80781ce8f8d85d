"""docs/proxies.md: each configuration on it, taken out of the page, run by Debian's own program in front of two services."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from .service import Service, serving

if TYPE_CHECKING:
    from ..conftest import Programs

PAGE = (Path(__file__).parents[2] / "docs/proxies.md").read_text()
BLOCKS = dict(re.findall(r"^```(nginx|haproxy|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
BY_NETWORK, BY_SOCKET = (yaml.safe_load(text)["production"]["server"] for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S))
# What Debian's own file has around what stands in conf.d, as far as one that is no root's may have it.
NGINX = """
daemon off;
user root;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/page.conf;
}}
"""
HAPROXY = "global\n    log {folder}/none.socket local0\n"
COMMANDS = {"haproxy": ("haproxy", "-db", "-f", "{folder}/conf"), "nginx": ("nginx", "-c", "{folder}/conf", "-e", "{folder}/log")}
APPLICATION = """
import itertools, json, time, weakref
from simple_websocket import ConnectionClosed, Server
connections, numbers = weakref.WeakKeyDictionary(), itertools.count()
def application(environ, start_response):
    if environ["PATH_INFO"] == "/chat":
        ws = Server(environ)
        try:
            while True:
                ws.send(ws.receive())
        except ConnectionClosed:
            raise StopIteration
    if environ["PATH_INFO"] == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return events()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(2)
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_REQUEST_ID", "HTTP_X_FORWARDED_FOR")
    told = {name: environ.get(name, "") for name in names}
    told["here"] = NAME
    told["connection"] = connections.setdefault(environ["gunicorn.socket"], next(numbers))
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
def events():
    yield b"data: one\\n\\n"
    time.sleep(5)
    yield b"data: two\\n\\n"
"""
# Of this machine, and not the one by which a proxy comes.
CLIENT = "127.0.0.9"


class Fleet:
    """Two services and the proxy before them; `ways` is how the proxy reaches them."""

    def __init__(self, name: str, folder: Path, programs: Programs, services: tuple[Service, Service], ways: tuple[str, str]) -> None:
        self.folder, self.services, self.page = folder, services, folder / "page.conf"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        text = BLOCKS[name].replace("listen 80;", f"listen 127.0.0.1:{self.port};").replace("bind :80", f"bind 127.0.0.1:{self.port}")
        for address, way in zip(("10.0.0.11:8000", "10.0.0.12:8000"), ways, strict=True):
            assert address in text
            text = text.replace(address, way)
        self.page.write_text(text)
        around = {"nginx": NGINX, "haproxy": HAPROXY}[name].format(folder=folder)
        (folder / "conf").write_text(around if name == "nginx" else around + text)
        program, *arguments = (word.format(folder=folder) for word in COMMANDS[name])
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen([str(programs.find(program)), *arguments], env=programs.environ, stdout=output, stderr=output)

    def ask(self, path: str = "/", **headers: str) -> dict[str, Any]:
        """What the application has been told of a request that comes over a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=(CLIENT, 0))
        try:
            client.request("GET", path, headers={"Host": "shop.example", **headers})
            answer = client.getresponse()
            body = answer.read()
            assert answer.status == 200, (answer.status, body)
            told: dict[str, Any] = json.loads(body)
            return told
        finally:
            client.close()

    def served_by(self, count: int = 12) -> set[str]:
        """Who answers: none of the requests fails."""
        return {self.ask()["here"] for _ in range(count)}

    def until(self, reached: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, (self.folder / "output").read_text()[-1000:]
            time.sleep(0.1)


@contextmanager
def fleet(name: str, folder: Path, programs: Programs, by_socket: bool) -> Iterator[Fleet]:
    with ExitStack() as stack:
        services = [stack.enter_context(serving(made(folder / here), **settings(folder / here, here, by_socket))) for here in ("a", "b")]
        if by_socket:
            ways = [f"{'unix@' if name == 'haproxy' else 'unix:'}{folder / here}/http" for here in ("a", "b")]
        else:
            ways = ["{}:{}".format(*service.address) for service in services]
        made(folder / "proxy")
        running = Fleet(name, folder / "proxy", programs, (services[0], services[1]), (ways[0], ways[1]))
        try:
            running.until(lambda: running.process.poll() is None and alive(running))
            yield running
        finally:
            running.process.terminate()
            running.process.wait(10)


def alive(running: Fleet) -> bool:
    try:
        return running.served_by() == {"a", "b"}
    except (OSError, AssertionError, http.client.HTTPException):
        return False


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def settings(folder: Path, here: str, by_socket: bool) -> dict[str, str]:
    """What the page says of them, with the addresses of this test."""
    (folder / "told.py").write_text(APPLICATION.replace("NAME", repr(here)))
    page = BY_SOCKET if by_socket else BY_NETWORK
    trusted = ["127.0.0.1" if name == "10.0.0.5" else name for name in page["forwarded_allow_ips"]]
    given = {"RAAB_PROJECT__MOUNTS": "{/: 'told:application'}", "RAAB_SERVER__FORWARDED_ALLOW_IPS": json.dumps(trusted)}
    if "forwarded_headers" in page:
        given["RAAB_SERVER__FORWARDED_HEADERS"] = json.dumps(page["forwarded_headers"])
    if by_socket:
        assert page["bind"] == "unix:/run/raab/http"
        given["RAAB_SERVER__BIND"] = f"unix:{folder}/http"
    return given


@pytest.fixture(scope="module", params=["nginx", "haproxy", "nginx by a socket", "haproxy by a socket"])
def proxied(request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    name, _, way = request.param.partition(" ")
    with fleet(name, tmp_path_factory.mktemp(name), programs, bool(way)) as running:
        yield running


def test_connections_are_used_again(proxied: Fleet) -> None:
    """Of four clients that keep theirs, forty requests come over a handful."""
    connections = set()
    for _ in range(4):
        client = http.client.HTTPConnection("127.0.0.1", proxied.port, timeout=20)
        for _ in range(10):
            client.request("GET", "/", headers={"Host": "shop.example"})
            told = json.loads(client.getresponse().read())
            connections.add((told["here"], told["connection"]))
        client.close()
    assert len(connections) < 12


def test_the_client_is_who_it_is(proxied: Fleet) -> None:
    """Whatever it says of itself; scheme and request id are the proxy's."""
    told = proxied.ask(
        "/", **{"X-Forwarded-For": "6.6.6.6", "X-Request-ID": "mine", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6"}
    )
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]) == (CLIENT, "http", "shop.example")
    assert len(told["HTTP_X_REQUEST_ID"]) >= 32


def test_a_websocket_passes_both_ways(proxied: Fleet) -> None:
    from simple_websocket import Client

    ws = Client(f"ws://127.0.0.1:{proxied.port}/chat")
    try:
        for word in ("one", "two"):
            ws.send(word)
            assert ws.receive(timeout=5) == word
    finally:
        ws.close()


def test_an_event_arrives_when_it_is_sent(proxied: Fleet) -> None:
    with socket.create_connection(("127.0.0.1", proxied.port), timeout=3) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        data = b""
        while b"data: one" not in data:
            data += client.recv(4096)
        assert b"data: two" not in data


def test_a_large_body_is_raabs_to_refuse(proxied: Fleet) -> None:
    """By its own limit, and not by nginx's, which is a megabyte where nobody says otherwise."""
    client = http.client.HTTPConnection("127.0.0.1", proxied.port, timeout=10)
    client.request("POST", "/", body=b"x" * 2_000_000, headers={"Host": "shop.example"})
    answer = client.getresponse()
    assert answer.status == 413 and answer.getheader("X-Request-ID")
    client.close()


def test_a_drained_host_is_left_without_a_loss(programs: Programs, tmp_path: Path) -> None:
    """By what `raab drain` leaves, which HAProxy sees by itself; what is in flight is answered."""
    with fleet("haproxy", tmp_path, programs, by_socket=False) as proxied:
        mark = proxied.services[0].folder / "drain"
        mark.touch()
        proxied.until(lambda: proxied.served_by() == {"b"}, 6)
        mark.unlink()
        proxied.until(lambda: proxied.served_by() == {"a", "b"}, 8)


def test_nginx_is_told_by_hand(programs: Programs, tmp_path: Path) -> None:
    """By the page's own two lines."""
    with fleet("nginx", tmp_path, programs, by_socket=False) as proxied:
        out, back = (line.partition(" && ")[0] for line in BLOCKS["sh"].splitlines())
        address = "{}:{}".format(*proxied.services[0].address)
        for line, wanted in ((out, {"b"}), (back, {"a", "b"})):
            assert "10.0.0.11:8000" in line and "/etc/nginx/conf.d/shop.conf" in line
            command = line.replace("10.0.0.11:8000", address).replace("/etc/nginx/conf.d/shop.conf", str(proxied.page))
            before = proxied.page.read_text()
            subprocess.run(["sh", "-c", command], check=True)
            assert proxied.page.read_text() != before
            proxied.process.send_signal(signal.SIGHUP)
            proxied.until(lambda wanted=wanted: proxied.served_by() == wanted, 8)  # type: ignore[misc]


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_host_that_is_gone_costs_no_request(name: str, programs: Programs, tmp_path: Path) -> None:
    with fleet(name, tmp_path, programs, by_socket=False) as proxied:
        proxied.services[0].stop()
        assert proxied.served_by(30) == {"b"}
