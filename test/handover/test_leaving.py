"""Workers that are told to leave, and what may stand in the way, by a real master on this machine."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from handover.process import descendants
from raab.drill.traffic.load import Load

if TYPE_CHECKING:
    from .conftest import Master

# What a view does is a function of this name; the answer names the process.
WSGI = """
import atexit, json, multiprocessing, os, signal, sys
import gevent
from gevent import monkey
from raab.drill.traffic.routes import with_drill_routes

EVERY = [n for n in signal.valid_signals() if n not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD)]
block = monkey.get_original("time", "sleep")

def own(): signal.signal(signal.SIGTERM, lambda *_: None)
def ignored(): signal.signal(signal.SIGTERM, signal.SIG_IGN)
def default(): signal.signal(signal.SIGTERM, signal.SIG_DFL)
def leaves(): signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def all_ignored():
    for number in EVERY: signal.signal(number, signal.SIG_IGN)
def all_blocked(): signal.pthread_sigmask(signal.SIG_BLOCK, EVERY)
def unwoken(): signal.set_wakeup_fd(-1); own()

def deaf():
    for number in EVERY: signal.signal(number, signal.SIG_IGN)
    while True: block(1)

def child(work):
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    return pid

def busy(): return child(deaf)
def looping(): return child(lambda: gevent.sleep(60))
def program(): return os.posix_spawn("/bin/sleep", ["sleep", "60"], os.environ)
def lingering(): atexit.register(block, 60); busy()
def stuck():
    gevent.spawn_later(0.2, block, 60)
    return busy()
def spinning():
    def spin():
        while True: pass
    gevent.spawn_later(0.2, spin)
    return busy()
def pool():
    workers = multiprocessing.Pool(2)
    workers.map_async(block, [60] * 4)
    globals()["kept"] = workers
    return [process.pid for process in workers._pool]

def card(environ, start_response):
    result = globals()[environ["PATH_INFO"][4:]]() if environ["PATH_INFO"].startswith("/do/") else None
    body = json.dumps({"release": "{release}", "pid": os.getpid(), "result": result}).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

application = with_drill_routes(card, release="{release}")
"""


def ask(master: Master, path: str = "/", seconds: float = 10) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{master.port}{path}", timeout=seconds) as answer:
        return json.load(answer)


def change(master: Master, master_too: bool, **options: Any) -> None:
    """Makes release 2 the current one; a new address takes a new master."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        more = [f"127.0.0.1:{free.getsockname()[1]}"] if master_too else []
    master.release("2", wsgi=WSGI, more=more, **options)
    master.switch("2")


def everywhere(master: Master, action: str) -> None:
    """Has every worker do it."""
    left = {worker["pid"] for worker in master.status()["workers"]}
    end = time.monotonic() + 20
    while left and time.monotonic() < end:
        left.discard(ask(master, f"/do/{action}")["pid"])
    assert not left


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def listening(pid: int, port: int) -> bool:
    """Whether a process has a socket open that listens there."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    listeners = {f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}")}
    assert listeners
    found = set()
    # It may end meanwhile, and then has none.
    with suppress(FileNotFoundError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()))
    return bool(listeners & found)


@pytest.mark.parametrize("master_too", [False, True])
@pytest.mark.parametrize("action", ["own", "ignored", "default", "leaves", "all_ignored", "all_blocked", "unwoken"])
def test_no_handler_of_an_application_keeps_old_code_serving(start: Callable[..., Master], action: str, master_too: bool) -> None:
    """When a reload is over, nobody gets an answer of before on a new connection; nobody loses a request on the way there."""
    master = start(wsgi=WSGI)
    everywhere(master, action)
    before = master.status()
    old = [worker["pid"] for worker in before["workers"]]
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        time.sleep(0.5)
        change(master, master_too)
        verdict = master.ask(verb="reload")
        assert verdict["good"] and verdict["replaced"] == master_too
        assert not any(alive(pid) and listening(pid, master.port) for pid in old)
        assert {ask(master)["release"] for _ in range(20)} == {"2"}
    assert load.account.total > 30 and not load.account.failures
    # Idle connections are waited for, for two seconds here; nothing else is.
    master.wait(lambda: not any(map(alive, old + master_too * [before["pid"]])), seconds=6)


@pytest.mark.parametrize("master_too", [False, True])
def test_a_worker_that_hangs_is_ended_with_what_it_forked(start: Callable[..., Master], master_too: bool) -> None:
    """After graceful_timeout and a little, and before the reload is called good."""
    master = start(wsgi=WSGI, graceful=1)
    done = ask(master, "/do/stuck")
    time.sleep(0.3)
    assert alive(done["pid"]) and alive(done["result"])
    change(master, master_too, graceful=1)
    began = time.monotonic()
    verdict = master.ask(verb="reload")
    assert verdict["good"] and verdict["replaced"] == master_too and time.monotonic() - began > 2.5
    assert not alive(done["pid"])
    master.wait(lambda: not alive(done["result"]), seconds=1)
    assert "did not leave within 3 s" in (master.home / "log").read_text()


@pytest.mark.parametrize("action", ["busy", "looping", "program"])
def test_what_an_application_forks_is_no_worker(start: Callable[..., Master], action: str) -> None:
    """It accepts nothing, though gevent's loop turns in it, and holds no listener."""
    master = start(wsgi=WSGI)
    child = ask(master, f"/do/{action}")["result"]
    try:
        assert child not in {ask(master)["pid"] for _ in range(60)}
        assert alive(child) and not listening(child, master.port)
        if action == "looping":
            os.kill(child, signal.SIGTERM)
            master.wait(lambda: not alive(child))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("action", ["busy", "pool", "stuck", "lingering"])
def test_a_stop_waits_for_nothing_that_hangs(start: Callable[..., Master], action: str) -> None:
    """A pool that never ends, a view that never returns, a process that hears no signal, an interpreter that does not end."""
    master = start(wsgi=WSGI, graceful=30 if action == "lingering" else 2)
    with suppress(TimeoutError):
        # multiprocessing waits for its pool in a way that gevent does not know.
        ask(master, f"/do/{action}", seconds=1)
    pid = master.status()["pid"]
    forked = descendants(pid)
    assert len(forked) > 3
    os.kill(pid, signal.SIGTERM)
    master.wait(lambda: not alive(pid), seconds=14)
    master.wait(lambda: not any(map(alive, forked)), seconds=1)


def test_a_stop_waits_for_no_dead_heart(start: Callable[..., Master]) -> None:
    """A worker that hangs is ended after `timeout`, as at any other time, and not after graceful_timeout."""
    master = start(wsgi=WSGI, graceful=60, timeout=2)
    done = ask(master, "/do/stuck")
    time.sleep(0.3)
    pid = master.status()["pid"]
    os.kill(pid, signal.SIGTERM)
    master.wait(lambda: not alive(pid), seconds=6)
    assert not alive(done["pid"])


def test_one_that_is_aborted_takes_along_what_it_forked(start: Callable[..., Master]) -> None:
    """A view that spins hears gunicorn's SIGABRT and exits by itself, and its children would stay behind."""
    master = start(wsgi=WSGI, timeout=2)
    done = ask(master, "/do/spinning")
    master.wait(lambda: not alive(done["pid"]), seconds=8)
    master.wait(lambda: not alive(done["result"]), seconds=1)


def test_a_worker_that_leaves_of_its_own_accord_is_replaced_at_once(start: Callable[..., Master]) -> None:
    """And not when it has waited for its last client."""
    master = start(wsgi=WSGI)
    idle = http.client.HTTPConnection("127.0.0.1", master.port)
    with closing(idle):
        idle.request("GET", "/")
        # The worker that took the connection is the one to leave, and waits for the next request on it.
        pid = json.load(idle.getresponse())["pid"]
        os.kill(pid, signal.SIGTERM)
        master.wait(lambda: [w["phase"] for w in master.status()["workers"]].count("retiring") == 1)
        master.wait(lambda: [w["phase"] for w in master.status()["workers"]].count("serving") == 2, seconds=1)
        assert alive(pid)
    master.wait(lambda: not alive(pid))
