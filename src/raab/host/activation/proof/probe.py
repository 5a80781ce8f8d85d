"""Requests that the host sends to its own service: to prove a release, and to measure a switch. Standard library only.

http.client would do, at 40 ms of import; an answer's status line and headers are all that is wanted here.
"""

from __future__ import annotations

import itertools
import math
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from raab.protocol.answers import Probe

INTERVAL_SECONDS = 0.02
CLOSE_INTERVAL_SECONDS = 0.002
TIMEOUT_SECONDS = 30.0
# A hand-over between workers that are ready is over long before; one whose workers load first is not to be crowded by lookers-on.
CLOSE_SECONDS = 1.0
# So many that wait say all that more would, and each has clients wait behind it.
MOST_WAITING = 50


class Answer(NamedTuple):
    """One answer to a probe. `release` and `worker` are empty when the application does not tell them."""

    status: int
    release: str
    worker: int


def request(token: str, host: str = "localhost") -> bytes:
    """What is sent; `token` is the activation's (raab.host.activation.proof.token)."""
    return f"GET /livez HTTP/1.1\r\nHost: {host}\r\nRaab-Proof: {token}\r\nConnection: close\r\nUser-Agent: raab-proof\r\n\r\n".encode()


class Target(NamedTuple):
    """Where to reach a listener: the family of its socket, and its address."""

    family: int
    address: tuple[str, int] | str

    def __str__(self) -> str:
        return f"unix:{self.address}" if isinstance(self.address, str) else ":".join(map(str, self.address))


def targets(binds: Iterable[str]) -> tuple[Target, ...]:
    """Where to reach what listens at all of these, as gunicorn writes them: each place once."""
    return tuple(dict.fromkeys(target for bind in binds for target in _targets(bind)))


def _targets(bind: str) -> Iterator[Target]:
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    if bind.startswith("unix:"):
        yield Target(socket.AF_UNIX, bind.removeprefix("unix:"))
        return
    if ":" in host:
        yield Target(socket.AF_INET6, ("::1" if host == "::" else host, int(port)))
    if ":" not in host or host == "::":
        yield Target(socket.AF_INET, ("127.0.0.1" if host in ("", "0.0.0.0", "::") else host, int(port)))


def connect(target: Target, timeout: float = TIMEOUT_SECONDS) -> socket.socket:
    family, address = target
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    if family == socket.AF_INET:
        # Release and worker are told to loopback peers only, and the listener may be bound to another address.
        connection.bind(("127.0.0.1", 0))
    if family == socket.AF_INET6:
        connection.bind(("::1", 0))
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def read_answer(connection: socket.socket) -> Answer:
    """Read one whole answer. Raises OSError when it does not come or breaks off within its head."""
    text = b""
    while block := connection.recv(65536):
        text += block
    head, separator, _ = text.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"HTTP/1.1 "):
        raise ConnectionError(f"the answer broke off after {len(text)} bytes")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    worker = headers.get("raab-worker", "")
    return Answer(int(lines[0].split()[1]), headers.get("raab-release", ""), int(worker) if worker.isdigit() else 0)


def ask(target: Target, token: str, timeout: float = TIMEOUT_SECONDS) -> Answer:
    with connect(target, timeout) as connection:
        connection.sendall(request(token))
        return read_answer(connection)


class Prober:
    """Sends a request every 20 ms over a fresh connection, on a schedule of its own: a slow answer delays none of the next ones. Where
    there are several places to send it to, to one after the other.

    A hand-over between workers is over in about that time, and asks for another `pace`.
    """

    def __init__(self, targets: tuple[Target, ...], token: str) -> None:
        self.targets = targets
        self.token = token
        self.interval = INTERVAL_SECONDS
        # Until this moment of the monotonic clock.
        self.until = math.inf
        self.tally = Probe()
        self.stopping = False
        # Set when the clock's next wait is over before its time.
        self.news = threading.Event()
        self.threads: list[threading.Thread] = []
        self.guard = threading.Lock()

    def start(self) -> None:
        self.clock = threading.Thread(target=self.tick, daemon=True)
        self.clock.start()

    def pace(self, interval: float, seconds: float = math.inf) -> None:
        """From now on a request every `interval` seconds, for so many seconds at the most and then as before. Each that has to wait does so
        in a thread of its own."""
        self.interval, self.until = interval, time.monotonic() + seconds
        self.news.set()

    def interval_at(self, moment: float) -> float:
        """Seconds from one request to the next."""
        return self.interval if moment < self.until else INTERVAL_SECONDS

    def only(self, targets: tuple[Target, ...]) -> None:
        """From now on to those alone that are among these: what will not be served any more says nothing of the switch."""
        self.targets = tuple(target for target in self.targets if target in targets)

    def stop(self) -> Probe:
        """Send no more, wait for the answers that are still out, and return the tally."""
        self.stopping = True
        self.news.set()
        self.clock.join()
        for thread in self.threads:
            thread.join(TIMEOUT_SECONDS)
        return self.tally

    def tick(self) -> None:
        due = time.monotonic()
        for turn in itertools.count():
            if self.stopping:
                return
            self.threads = [other for other in self.threads if other.is_alive()]
            if len(self.threads) < MOST_WAITING and (targets := self.targets):
                thread = threading.Thread(target=self.one, args=(targets[turn % len(targets)], due), daemon=True)
                thread.start()
                self.threads.append(thread)
            due += self.interval_at(due)
            if self.news.wait(max(0.0, due - time.monotonic())):
                self.news.clear()
                due = time.monotonic()

    def one(self, target: Target, due: float) -> None:
        """One request, timed from the moment it was due, so that a delay of ours is not left out."""
        reason = ""
        try:
            answer = ask(target, self.token)
            if answer.status != 200:
                reason = f"status {answer.status}"
        except OSError as error:
            reason = str(error) or type(error).__name__
        with self.guard:
            before = self.tally
            slowest = max(before.slowest, time.monotonic() - due)
            self.tally = Probe(before.sent + 1, before.failed + bool(reason), slowest, before.reason or reason)
