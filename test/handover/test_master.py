"""A real master with real workers on this machine, without systemd: what tests on hosts show under load holds here too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Master


FROZEN = """
import gc
frozen = gc.get_freeze_count()
def application(environ, start_response):
    start_response("200 OK", [])
    return [str(frozen).encode()]
"""


def test_operations_lose_nothing(master: Master) -> None:
    """Reload onto a new release, HUP in a burst, scaling, a new master: every request of every kind gets its answer."""
    master.release("2")
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        time.sleep(0.3)
        master.switch("2")
        assert master.ask(verb="reload")["good"]
        for _ in range(10):
            os.kill(master.status()["pid"], signal.SIGHUP)
            time.sleep(0.01)
        master.wait(lambda: master.status()["incoming"] is None and not master.ask(verb="reload")["replaced"])
        assert master.ask(verb="scale", to=5) == {"before": 2, "after": 5}
        assert master.ask(verb="scale", by=-4) == {"before": 5, "after": 1}
        old = master.status()["pid"]
        os.kill(old, signal.SIGUSR2)
        master.wait(lambda: master.status()["pid"] != old)
        assert master.status()["target"] == 1 and master.status()["reload"]["replaced"]
        time.sleep(0.5)
    assert load.account.failures == (), load.account.line()
    assert {release for release, _ in load.account.labels} == {"1", "2"}


@pytest.mark.parametrize(
    ("name", "wsgi", "config", "reason"),
    [
        ("raises", "raise RuntimeError('no luck')", "", "no luck"),
        ("syntax", "def (", "", "SyntaxError"),
        ("exits", "import sys; sys.exit(3)", "", "SystemExit"),
        ("ends", "import os; os._exit(4)", "", "status 4"),
        ("hangs", "import time; time.sleep(60)", "", "did not finish loading within 3 s"),
        ("unready", "def application(e, s):\n    s('503 Busy', [])\n    return [b'not yet']", "", "503 Busy: not yet"),
        ("config", "", "raise ValueError('bad settings')", "bad settings"),
        ("foreign", "", "wsgi_app = 'wsgi:application'", "on_starting"),
    ],
)
def test_a_broken_release_is_refused_with_its_reason(master: Master, name: str, wsgi: str, config: str, reason: str) -> None:
    """The old generation serves on, by HUP as by request; and the repaired release is taken at once."""
    master.release(name, wsgi, config, load_timeout=3)
    with Load([("127.0.0.1", master.port)], Mix(fresh=20, reused=20, path="/slow?seconds=0", timeout=10)) as load:
        time.sleep(0.3)
        master.switch(name)
        os.kill(master.process.pid, signal.SIGHUP)
        refused = master.ask(verb="reload")
        assert not refused["good"] and reason in refused["reason"]
        assert master.status()["generation"] == 1 and master.status()["target"] == 2
        master.release(name)
        assert master.ask(verb="reload")["good"]
        time.sleep(0.5)
    assert load.account.failures == (), load.account.line()
    assert {release for release, _ in load.account.labels} == {"1", name}


def test_one_by_one_hands_over_too(master: Master) -> None:
    """With one worker more than the target at most."""
    master.release("1", one_by_one=True)
    assert master.ask(verb="reload")["good"]
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        assert master.ask(verb="reload")["good"]
    assert load.account.failures == (), load.account.line()


def test_who_asks_during_a_replacement_is_answered(master: Master) -> None:
    """The old master leaves: who scaled has the target, who asked for a reload is told to ask the new one."""
    old = master.status()["pid"]
    os.kill(old, signal.SIGUSR2)
    with ThreadPoolExecutor(2) as pool:
        scaled = pool.submit(master.ask, verb="scale", to=3)
        reloaded = pool.submit(master.ask, verb="reload")
        assert scaled.result()["after"] == 3
        assert reloaded.result() == {"ask": "again"}
    master.wait(lambda: master.status()["pid"] != old and master.status()["target"] == 3)


def test_scaling_is_bounded_and_told(master: Master) -> None:
    """Beyond a bound nothing changes, and who asked is told why."""
    assert "bounds are 1 to 6" in master.ask(verb="scale", to=7)["error"]
    for _ in range(2):
        os.kill(master.process.pid, signal.SIGTTOU)
        time.sleep(0.2)
    master.wait(lambda: len(master.status()["workers"]) == 1)
    assert master.status()["target"] == 1


def test_a_folder_in_the_control_socket_s_place_is_moved(tmp_path: Path, start: Callable[..., Master]) -> None:
    """Whatever the service's user has put there, the next master listens, and says what it moved where."""
    (tmp_path / "control/inside").mkdir(parents=True)
    master = start()
    assert master.status()["generation"] == 1
    assert "control socket: there was a folder in its place" in (tmp_path / "log").read_text()
    assert [path.name for path in tmp_path.glob("control.aside-*/*")] == ["inside"]


def test_who_sends_no_request_is_not_waited_for(start: Callable[..., Master]) -> None:
    """A silent connection, half a head, one that stays after its request: each is ended when its time is over, and not before. Who is not
    ended is waited for in vain."""
    master = start(keepalive=2, head_timeout=1)
    for sent, seconds in ((b"", 1), (b"GET / HTTP/1.1\r\nHos", 1), (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2)):
        with socket.create_connection(("127.0.0.1", master.port), timeout=10) as client:
            began = time.monotonic()
            client.sendall(sent)
            text = b"".join(iter(lambda: client.recv(65536), b""))
            assert text.startswith(b"HTTP/1.1 200") if seconds == 2 else not text
            assert seconds <= time.monotonic() - began


def test_workers_share_what_the_master_holds(master: Master) -> None:
    """All of it is kept out of their garbage collections; what each reload leaves behind is collected, and does not gather there."""
    master.release("1", FROZEN)
    counts = []
    for _ in range(12):
        assert master.ask(verb="reload")["good"]
        # One that retires may still accept a connection; it is the new ones that are asked.
        master.wait(lambda: {worker["phase"] for worker in master.status()["workers"]} == {"serving"})
        with urllib.request.urlopen(f"http://127.0.0.1:{master.port}/") as answer:
            counts.append(int(answer.read()))
    assert counts[0] > 10_000
    # The first few still load what a reload needs.
    assert counts[-1] - counts[5] < 100


def test_a_start_that_fails_ends_with_the_reason(tmp_path: Path, start: Callable[..., Master]) -> None:
    """The first generation has nothing to fall back to: the master ends, and its last lines say why."""
    running = start()
    running.stop()
    running.release("1", "raise RuntimeError('no luck')")
    bin_ = Path(sys.executable).parent
    command = [str(bin_ / "python"), str(bin_ / "gunicorn"), "-c", f"{tmp_path}/current/gunicorn.py"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=30)
    assert done.returncode == 3
    assert "no luck" in done.stderr.splitlines()[-1]


def answers(path: Path) -> bool:
    """Whether somebody serves at the UNIX socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        client.sendall(b"GET /slow?seconds=0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client.recv(12) == b"HTTP/1.1 200"


def test_listeners_come_and_go_by_reload(master: Master) -> None:
    """One more beside the others, then a third, then the first alone: nobody at the one that stays loses anything, and the path of one
    that is not wanted any more is free, also for its return."""
    first, second = master.home / "first", master.home / "second"
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        for more in ([first], [first, second], [second], [], [second, first]):
            master.release("1", more=[f"unix:{path}" for path in more])
            # A path that somebody else has left is no hindrance.
            with socket.socket(socket.AF_UNIX) as stale:
                if first in more and not first.exists():
                    stale.bind(str(first))
            assert master.ask(verb="reload")["replaced"]
            expected = [path in more for path in (first, second)]
            master.wait(lambda expected=expected: [path.exists() for path in (first, second)] == expected)
            assert [answers(path) for path in (first, second)] == expected
        time.sleep(0.5)
    assert load.account.failures == (), load.account.line()


def test_a_unix_socket_stays_at_its_path(tmp_path: Path, start: Callable[..., Master]) -> None:
    """Through a reload and a new master, and for the next start when the master is killed or stopped."""
    path = tmp_path / "http"
    running = start(more=[f"unix:{path}"])
    try:
        with Load([str(path)], running.mix) as load:
            assert running.ask(verb="reload")["good"]
            old = running.status()["pid"]
            os.kill(old, signal.SIGUSR2)
            running.wait(lambda: running.status()["pid"] != old)
            time.sleep(0.5)
        assert load.account.failures == (), load.account.line()
        os.kill(running.status()["pid"], signal.SIGKILL)
    finally:
        running.stop()
    for _ in range(2):
        running.wait(lambda: not answers(path))
        assert path.exists()
        running = start(more=[f"unix:{path}"])
        try:
            assert answers(path)
        finally:
            running.stop()


def test_what_is_not_a_socket_is_left_alone(tmp_path: Path, start: Callable[..., Master]) -> None:
    """The start fails in one line, and the file is still there."""
    running = start()
    running.stop()
    (tmp_path / "http").write_text("mine")
    running.release("1", more=[f"unix:{tmp_path}/http"])
    bin_ = Path(sys.executable).parent
    command = [str(bin_ / "python"), str(bin_ / "gunicorn"), "-c", f"{tmp_path}/current/gunicorn.py"]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr.splitlines()[-1] and "is not a socket" in done.stderr.splitlines()[-1]
    assert (tmp_path / "http").read_text() == "mine"


def test_an_address_that_is_taken_refuses_the_reload(master: Master) -> None:
    """The old master serves on at those that it has, and says which one could not be had, as the log does."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        master.release("1", more=[f"127.0.0.1:{port}", f"unix:{master.home}/first"])
        refused = master.ask(verb="reload")
    told = f"cannot listen: 127.0.0.1:{port}: Address already in use"
    assert not refused["good"] and refused["reason"] == told
    assert told in (master.home / "log").read_text()
    assert master.status()["generation"] == 1
    master.release("1")
    assert master.ask(verb="reload")["good"]


def test_a_flood_at_one_listener_leaves_the_others_open(tmp_path: Path, start: Callable[..., Master]) -> None:
    """Who looks after a service gets an answer when its clients have taken all the room that they may take."""
    path = tmp_path / "other"
    running = start(more=[f"unix:{path}"], workers=1, connections=3)
    try:
        with ExitStack() as flood:
            for _ in range(6):
                # Each has asked for something, so none of them has to make room for another.
                client = flood.enter_context(socket.create_connection(("127.0.0.1", running.port), 10))
                client.sendall(b"GET /slow?seconds=4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            running.wait(lambda: running.status()["workers"][0]["connections"] == 3)
            assert answers(path)
            client.settimeout(1)
            with pytest.raises(TimeoutError):
                client.recv(1)
    finally:
        running.stop()


def test_half_a_request_makes_room(start: Callable[..., Master]) -> None:
    """In a worker that has room for three: one that has asked for nothing is ended when there is no room; who has asked, and who idles
    after an answer, is not."""
    running = start(workers=1, connections=3)
    with ExitStack() as clients:

        def client(data: bytes) -> socket.socket:
            one = clients.enter_context(socket.create_connection(("127.0.0.1", running.port), 10))
            one.sendall(data)
            return one

        ask = b"GET /slow?seconds=%d HTTP/1.1\r\nHost: x\r\n\r\n"
        asking, idle = client(ask % 2), client(ask % 0)
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
        half = client(ask[:20])
        assert half.recv(1) == b""
        assert client(ask % 0).recv(65536).startswith(b"HTTP/1.1 200 ")
        assert asking.recv(65536).startswith(b"HTTP/1.1 200 ")
        idle.sendall(ask % 0)
        assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_masters_that_do_not_understand_each_other(start: Callable[..., Master]) -> None:
    """One that is followed speaks a later version than who follows: it serves on, and whoever asked is told why, and what helps."""
    master = start(prepare="vars(__import__('handover.outside.successor').outside.successor).update(VERSION=2)")
    old = master.status()["pid"]
    master.release("2")
    master.switch("2")
    with Load([("127.0.0.1", master.port)], master.mix) as load:
        verdict = master.ask(verb="reload", environment={"PATH": os.environ["PATH"], "TESTED": "yes"})
    assert not verdict["good"] and "speaks version 1 with the one that it follows, got version 2\nhint: take" in verdict["reason"]
    assert load.account.failures == () and (master.status()["pid"], master.status()["generation"]) == (old, 1)


def test_a_reload_with_another_environment(master: Master) -> None:
    """Starts a master with it, and with nothing that gunicorn's settings have made of the old one's; and so does that one in its turn."""
    environment = {"PATH": os.environ["PATH"], "TESTED": "yes"}
    pids = [master.status()["pid"]]
    for _ in range(2):
        if len(pids) == 1:
            assert master.ask(verb="reload", environment=environment)["replaced"]
        else:
            os.kill(pids[-1], signal.SIGUSR2)
        master.wait(lambda: master.status()["pid"] not in pids)
        pids.append(master.status()["pid"])
        words = dict(word.split("=", 1) for word in Path(f"/proc/{pids[-1]}/environ").read_text().split("\0") if word)
        assert {name: value for name, value in words.items() if not name.startswith(("LISTEN_", "HANDOVER_"))} == environment
