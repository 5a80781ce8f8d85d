"""A real master that moves from one address to another, by reload and by restart: who comes by one that stays loses nothing.

systemd's part in it, the socket that it keeps and passes again, is played by `Keeper`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Master

MIX = Mix(path="/slow?seconds=0", fresh=60, reused=20, slow=1, slow_seconds=1, bursts=2, burst_length=8, timeout=10)
# What a setting says, with the places of loopback where it is served. P is the master's port, Q another one.
SERVED = {
    "0.0.0.0:P": ("127.0.0.1 P", "127.0.0.2 P"),
    "127.0.0.1:P": ("127.0.0.1 P",),
    "[::]:P": ("127.0.0.1 P", "127.0.0.2 P", "::1 P"),
    "[::1]:P": ("::1 P",),
    "0.0.0.0:Q": ("127.0.0.1 Q", "127.0.0.2 Q"),
    "unix:H/http": ("H/http",),
    "0.0.0.0:P [::]:P": ("127.0.0.1 P", "127.0.0.2 P", "::1 P"),
    "127.0.0.1:P unix:H/http": ("127.0.0.1 P", "H/http"),
}
PAIRS = list(itertools.permutations(SERVED, 2))
# Wide to narrow, narrow to wide, one family of two, both at once, nothing in common, a list.
CHOSEN = [
    ("0.0.0.0:P", "127.0.0.1:P"),
    ("127.0.0.1:P", "0.0.0.0:P"),
    ("0.0.0.0:P", "[::]:P"),
    ("[::]:P", "[::1]:P"),
    ("0.0.0.0:P [::]:P", "0.0.0.0:P"),
    ("0.0.0.0:P", "0.0.0.0:Q"),
    ("127.0.0.1:P unix:H/http", "unix:H/http"),
]


class Keeper:
    """systemd, as much of it as matters here: it keeps what FDSTORE=1 brings, until FDSTOREREMOVE=1, and passes it to the next master."""

    def __init__(self, master: Master) -> None:
        self.master, self.store = master, dict[str, int]()
        self.pid, self.ready = 0, threading.Event()
        self.told: list[str] = []
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(f"{master.home}/notify")
        self._over = False
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        while not self._over:
            if select.select([self._channel], [], [], 0.1)[0]:
                text, fds, _, _ = socket.recv_fds(self._channel, 4096, 4)
                for fd in fds:
                    os.set_inheritable(fd, False)
                self._heard(dict(line.split("=", 1) for line in text.decode().splitlines()), fds)

    def _heard(self, said: dict[str, str], fds: list[int]) -> None:
        self.told += said
        if "FDSTOREREMOVE" in said:
            os.close(self.store.pop(said["FDNAME"]))
        elif "FDSTORE" in said:
            if said["FDNAME"] in self.store:
                os.close(self.store.pop(said["FDNAME"]))
            self.store[said["FDNAME"]] = fds[0]
        self.pid = int(said.get("MAINPID", self.pid))
        if "READY" in said:
            self.ready.set()

    def start(self) -> None:
        """Like systemd's: what is kept lies at 3, 4, ..., and this returns when the master is ready."""
        names, held = list(self.store), list(self.store.values())

        def lay() -> None:
            for place, fd in enumerate([os.dup2(fd, 500 + fd, inheritable=False) for fd in held], 3):
                os.dup2(fd, place, inheritable=True)

        gunicorn = [sys.executable, str(Path(sys.executable).with_name("gunicorn")), "-c", f"{self.master.home}/current/gunicorn.py"]
        passed = {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}
        self.ready.clear()
        process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "-", *gunicorn], cwd="/", stdout=self.master.log, stderr=self.master.log,
            env={**os.environ, **passed, "NOTIFY_SOCKET": f"{self.master.home}/notify"}, preexec_fn=lay, close_fds=False,
        )  # fmt: skip
        self.pid = process.pid
        threading.Thread(target=process.wait).start()
        assert self.ready.wait(20), self.master.home.joinpath("log").read_text()[-3000:]

    def stop(self) -> None:
        pid = self.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        self.master.wait(lambda: not Path(f"/proc/{pid}/exe").exists())

    def end(self) -> None:
        self.stop()
        self._over = True
        self._listener.join()
        self._channel.close()
        for fd in self.store.values():
            os.close(fd)


class Moving:
    """A master whose addresses change."""

    def __init__(self, master: Master, keeper: Keeper) -> None:
        self.master, self.keeper = master, keeper
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.other = free.getsockname()[1]

    def say(self, setting: str) -> None:
        """Has the settings name these addresses."""
        self.master.release("1", bind=self.filled(setting).split())

    def places(self, setting: str) -> list[Any]:
        filled = [self.filled(place) for place in SERVED[setting]]
        return [(place.split()[0], int(place.split()[1])) if " " in place else place for place in filled]

    def filled(self, text: str) -> str:
        for sign, value in (("P", self.master.port), ("Q", self.other), ("H", self.master.home)):
            text = re.sub(rf"\b{sign}\b", str(value), text)
        return text

    def check(self, setting: str) -> None:
        """What the settings name is served, and nothing else is, not by anybody."""
        served = self.places(setting)
        everything = {place for other in SERVED for place in self.places(other)}
        end = time.monotonic() + 5
        while (found := {place for place in everything if answers(place)}) != set(served) and time.monotonic() < end:
            time.sleep(0.1)
        assert found == set(served)


def answers(place: Any) -> bool:
    """Whether somebody serves there; that nobody does has to be refused, and not left to wait."""
    kind = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET6 if ":" in place[0] else socket.AF_INET
    with socket.socket(kind) as client:
        client.settimeout(3)
        try:
            client.connect(place)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        client.sendall(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            return client.recv(12) == b"HTTP/1.1 200"
    return False


@pytest.fixture
def moving(tmp_path: Path, start: Any) -> Iterator[Moving]:
    """A master under a `Keeper`, in the place of the one that the fixture starts without."""
    master = start()
    os.kill(master.process.pid, signal.SIGTERM)
    master.process.wait()
    keeper = Keeper(master)
    try:
        yield Moving(master, keeper)
    finally:
        keeper.end()


def by_reload(moving: Moving) -> None:
    verdict = moving.master.ask(verb="reload")
    assert verdict["good"] and verdict["replaced"], verdict


def by_restart(moving: Moving) -> None:
    moving.keeper.stop()
    time.sleep(0.3)
    moving.keeper.start()


def move(moving: Moving, before: str, after: str, how: Any) -> None:
    moving.say(before)
    moving.keeper.start()
    moving.check(before)
    stay = [place for place in moving.places(before) if place in moving.places(after)]
    moving.say(after)
    with contextlib.ExitStack() as loads:
        load = loads.enter_context(Load(stay, MIX)) if stay else None
        time.sleep(0.3)
        how(moving)
        time.sleep(0.3)
    if load:
        assert load.account.failures == (), load.account.line()
    moving.check(after)
    kept = [socket.socket(fileno=os.dup(fd)) for fd in moving.keeper.store.values()]
    with contextlib.ExitStack() as closing:
        for one in map(closing.enter_context, kept):
            assert one.family == socket.AF_UNIX or not one.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT), "nobody joins it"
    log = (moving.master.home / "log").read_text()
    assert "refused" not in log and "Traceback" not in log, log[-3000:]
    # And what comes next finds all as it should be.
    by_restart(moving)
    moving.check(after)


@pytest.mark.parametrize("how", [by_reload, by_restart])
@pytest.mark.parametrize(("before", "after"), CHOSEN)
def test_a_move_loses_nothing(moving: Moving, before: str, after: str, how: Any) -> None:
    """From one address to another: whoever comes by what both have in common is answered, and then the settings hold."""
    move(moving, before, after, how)


@pytest.mark.prove
@pytest.mark.parametrize("how", [by_reload, by_restart])
@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair not in CHOSEN])
def test_every_other_move_loses_nothing(moving: Moving, before: str, after: str, how: Any) -> None:
    move(moving, before, after, how)


def test_a_move_that_is_refused_has_not_been_noticed(moving: Moving) -> None:
    """Who comes to what would have been the new address is the old workers' until new ones serve: nobody waits, nothing is lost."""
    moving.say("0.0.0.0:P")
    moving.keeper.start()
    with Load(moving.places("127.0.0.1:P"), MIX) as load:
        for wsgi in ("import time; time.sleep(1); raise RuntimeError('no luck')", ""):
            moving.master.release("1", wsgi, bind=[f"127.0.0.1:{moving.master.port}"])
            assert moving.master.ask(verb="reload")["good"] is not bool(wsgi)
    assert load.account.failures == () and load.account.longest < 1.5, load.account.line()
    moving.check("127.0.0.1:P")


# Nobody else is served by the process meanwhile, so that clients wait to be accepted.
BUSY = """
from gevent import monkey
def application(environ, start_response):
    monkey.get_original("time", "sleep")(0.05)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@pytest.mark.parametrize("after", ["127.0.0.1:P", "0.0.0.0:Q"])
def test_who_waits_at_an_address_that_goes_is_answered(moving: Moving, after: str) -> None:
    """However many they are: what is not accepted yet when its listener is closed would be reset."""
    moving.master.release("1", BUSY, bind=[f"0.0.0.0:{moving.master.port}"])
    moving.keeper.start()
    with contextlib.ExitStack() as closing:
        clients = [closing.enter_context(socket.create_connection(("127.0.0.1", moving.master.port), 20)) for _ in range(200)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        moving.master.release("1", BUSY, bind=[moving.filled(after)])
        by_reload(moving)
        assert [client.recv(15) for client in clients] == [b"HTTP/1.1 200 OK"] * len(clients)


def test_a_change_of_port_is_one_line(moving: Moving) -> None:
    """The old master goes on for seconds, in which it has nothing more to say of it."""
    moving.say("0.0.0.0:P")
    moving.keeper.start()
    moving.say("0.0.0.0:Q")
    by_reload(moving)
    moving.check("0.0.0.0:Q")
    told = [line for line in (moving.master.home / "log").read_text().splitlines() if "reload" in line]
    assert len(told) == 2 and "since these changed: listening address" in told[0] and "generation 2 serves" in told[1], told


def test_to_and_fro(moving: Moving) -> None:
    """Faster than the old master leaves: what stays is served all the time."""
    moving.say("0.0.0.0:P")
    moving.keeper.start()
    with Load(moving.places("127.0.0.1:P"), MIX) as load:
        for setting in ("127.0.0.1:P", "[::]:P", "127.0.0.1:P unix:H/http", "0.0.0.0:P"):
            moving.say(setting)
            pid = moving.master.status()["pid"]
            os.kill(pid, signal.SIGHUP)
            moving.master.wait(lambda pid=pid: moving.master.status()["pid"] != pid)
    assert load.account.failures == (), load.account.line()
    moving.check("0.0.0.0:P")
