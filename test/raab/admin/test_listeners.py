"""The public port and the admin listeners of a real server: what is asked here is never answered there, whatever the request says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ADMIN = ("/metrics", "/-/release", "/-/workers")
# As much as a client can do to pass for a peer of the admin listener. {path} and {port} are the listener's own.
TRICKS = (
    "Host: {path}",
    "Host: unix:{path}",
    "Host: 127.0.0.1:{port}",
    "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: 127.0.0.1:{port}\r\nX-Forwarded-Port: {port}",
    "Host: localhost\r\nX-Real-IP: \r\nForwarded: for=;host={path}",
    "Host: localhost\r\nRemote-Addr: \r\nREMOTE_ADDR: \r\nServer-Name: {path}\r\nGunicorn.Socket: {path}",
    "Host: localhost\r\nSCRIPT_NAME: \r\nPATH_INFO: /metrics",
    "Host: localhost\r\nX-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\nX-HTTP-Method-Override: GET",
    "Host: localhost\r\nRaab-Proof: 1\r\nHandover.Check: 1",
    "Host: localhost\r\nUpgrade: h2c\r\nHTTP2-Settings: ",
)
Place = tuple[str, int] | str


class Server:
    """raab under gunicorn with the root's own gunicorn.py. `admin` are its admin listeners, by UNIX socket and by port."""

    def __init__(self, home: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, self.admin_port = one.getsockname()[1], other.getsockname()[1]
        self.public: Place = ("127.0.0.1", self.port)
        self.path = str(home / "admin")
        self.admin: tuple[Place, Place] = (self.path, ("127.0.0.1", self.admin_port))
        environ = {
            **os.environ, "RUNTIME_DIRECTORY": str(home), "RAAB_ENVIRONMENT": "production", "RAAB_SERVER__WORKERS": "1",
            "RAAB_SERVER__BIND": f"127.0.0.1:{self.port}", "RAAB_SERVER__ADMIN_PORT": str(self.admin_port), **settings,
        }  # fmt: skip
        command = [sys.executable, str(Path(sys.executable).with_name("gunicorn")), "-c", str(ROOT / "gunicorn.py")]
        self.log = home / "log"
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd="/", env=environ, stderr=stream)
        end = time.monotonic() + 30
        while not (home / "control").exists():
            assert self.process.poll() is None and time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("run"))
    yield running
    running.stop()


def ask(place: Place, target: str, headers: str = "Host: localhost", method: str = "GET") -> tuple[int, str]:
    """Status and body of one request, its head sent as it is given."""
    with socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET) as client:
        client.settimeout(15)
        client.connect(place)
        client.sendall(f"{method} {target} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while part := client.recv(65536):
            said += part
    head, _, body = said.partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()


@pytest.mark.parametrize("which", [0, 1])
def test_each_admin_listener_answers_its_paths_and_no_other(server: Server, which: int) -> None:
    """With all that the application and the master know."""
    place = server.admin[which]
    assert ask(place, "/livez") == (200, "ok\n")
    assert ask(place, "/readyz?verbose") == (200, "drain: ok\nraab.modules.greeting: ok\nok\n")
    assert json.loads(ask(place, "/-/release")[1])["id"] == "development"
    workers = json.loads(ask(place, "/-/workers")[1])
    assert workers["pid"] == server.process.pid and len(workers["workers"]) == workers["serving"] == 1
    assert re.search(r'^raab_up\{service="[^"]+"\} 1$', ask(place, "/metrics")[1], re.MULTILINE)
    assert ask(place, "/metrics", method="HEAD") == (200, "")
    assert ask(place, "/livez", method="POST")[0] == 405
    for path in ("/", "/greeting/x", "/nothing", f"http://127.0.0.1:{server.port}/"):
        assert ask(place, path)[0] == 404


def test_the_public_port_answers_one_word_and_nothing_of_the_rest(server: Server) -> None:
    """No detail for who asks for it."""
    assert ask(server.public, "/livez?verbose") == ask(server.public, "/readyz?verbose") == (200, "ok\n")
    assert ask(server.public, "/")[0] == 200
    for path in ADMIN:
        assert ask(server.public, path)[0] == 404
        assert ask(server.public, path, method="POST")[0] == 404


@pytest.mark.parametrize("trick", TRICKS)
def test_no_header_opens_the_public_port(server: Server, trick: str) -> None:
    """The server may refuse the request for being odd; it never answers as the admin listener does."""
    headers = trick.format(path=server.path, port=server.admin_port)
    for path in ADMIN:
        for target in (path, f"http://127.0.0.1:{server.admin_port}{path}", f"/%2e{path}", f"/x/..{path}", f"/{path}"):
            status, body = ask(server.public, target, headers)
            assert status in (400, 403, 404), (target, headers, body)
            assert "raab_up" not in body and '"dependencies"' not in body and '"generation"' not in body
    status, body = ask(server.public, "/readyz?verbose", headers)
    assert (status, body) == (200, "ok\n") or status in (400, 403)


def test_admin_requests_are_not_the_services(server: Server) -> None:
    """Neither counted with them nor among their access lines."""
    ask(server.public, "/greeting/counted")
    time.sleep(0.5)
    lines = server.log.read_text().count("raab.access")
    assert lines
    before = ask(server.admin[0], "/metrics")[1]
    assert 'route="/greeting/<name>",status="200"} 1\n' in before
    for place in server.admin:
        for path in (*ADMIN, "/livez", "/readyz", "/nothing"):
            ask(place, path)
    requests = [line for line in before.splitlines() if line.startswith("raab_http_request_duration_seconds_count")]
    assert set(requests) <= set(ask(server.admin[0], "/metrics")[1].splitlines())
    time.sleep(0.5)
    assert server.log.read_text().count("raab.access") == lines


def test_a_check_that_hangs_is_named(tmp_path: Path) -> None:
    """Within seconds, and the worker serves others meanwhile."""
    package = tmp_path / "shop" / "cart"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").write_text(
        "import time\nfrom flask import Blueprint\nblueprint = Blueprint('cart', __name__)\ndef ready():\n    time.sleep(600)\n"
    )
    running = Server(tmp_path, RAAB_PROJECT__MODULES="[raab.modules, shop]", PYTHONPATH=str(tmp_path))
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, running.path, "/readyz?verbose")
            assert ask(running.path, "/livez") == (200, "ok\n")
            assert not asked.done()
        status, text = asked.result()
        assert (status, text.splitlines()[1]) == (503, "raab.modules.greeting: ok")
        assert text.splitlines()[2:] == ["shop.cart: it raised TimeoutError: it does not answer within 5 s", "not ready"]
    finally:
        running.stop()


def test_an_application_at_the_root_is_not_reached_by_the_admin_listener(tmp_path: Path) -> None:
    """Nor is an admin page taken by it, or its health paths where the settings keep raab's own from the public."""
    (tmp_path / "shop.py").write_text(
        "def application(environ, start_response):\n    start_response('200 OK', [('Content-Length', '4')])\n    return [b'shop']\n"
    )
    mounts = {"RAAB_PROJECT__MOUNTS": "{/: 'shop:application'}", "PYTHONPATH": str(tmp_path)}
    running = Server(tmp_path, **mounts, RAAB_SERVER__PUBLIC_HEALTH="false")
    try:
        for path in (*ADMIN, "/", "/livez", "/readyz"):
            assert ask(running.public, path) == (200, "shop")
        token = "f" * 64
        Path(f"{tmp_path}-proof").write_text(token)
        assert ask(running.public, "/livez", f"Host: localhost\r\nRaab-Proof: {token}") == (200, "ok\n")
        for place in running.admin:
            assert ask(place, "/")[0] == 404
            assert ask(place, "/livez") == ask(place, "/readyz") == (200, "ok\n")
            assert re.search(r'^raab_up\{service="[^"]+"\} 1$', ask(place, "/metrics")[1], re.MULTILINE)
    finally:
        running.stop()
