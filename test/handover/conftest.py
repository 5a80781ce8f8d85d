"""What the tests of the master have in common: a real one, with real workers, on this machine and without systemd."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from handover.process import descendants
from raab.drill.traffic.values import Mix

CONFIG = """
import os, handover
_root = os.path.dirname(os.path.abspath(__file__))
wsgi_app, pythonpath, bind, workers = "wsgi:application", _root, [*{bind}, *{more}], {workers}
worker_class, logger_class = handover.HandoverWorker, handover.JournalLogger
timeout = {timeout}
graceful_timeout, keepalive, control_socket_disable, worker_connections = {graceful}, {keepalive}, True, {connections}
pre_fork, post_fork = handover.pre_fork, handover.post_fork
on_starting = handover.Options(
    root=_root, control="{home}/control", target_file="{home}/workers.json", check="/", workers_max=6, linger=2,
    load_timeout={load_timeout}, one_by_one={one_by_one}, head_timeout={head_timeout}, shared={shared}, prepare={prepare},
)
"""
WSGI = """
import time
from raab.drill.traffic.routes import with_drill_routes
from raab.drill.traffic.routes import card
time.sleep(0.2)
application = with_drill_routes(card, release="{release}")
"""
MIX = Mix(
    path="/slow?seconds=0",
    fresh=30,
    reused=30,
    slow=1,
    slow_seconds=1,
    uploads=1,
    upload_seconds=0.5,
    streamed=1,
    stream_seconds=0.5,
    timeout=10,
)


class Master:
    """gunicorn with the hand-over, started as raab.service starts it, from a folder of releases, by the gunicorn beside `python`.

    What it prints goes to the file `log`, or to the descriptor `output`.
    """

    mix, wsgi = MIX, WSGI

    def __init__(self, home: Path, python: str = sys.executable, output: int | None = None, **options: Any) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.release("1", **options)
        self.switch("1")
        command = [
            "/usr/bin/env",
            "--block-signal=HUP,USR2",
            python,
            str(Path(python).with_name("gunicorn")),
            "-c",
            f"{home}/current/gunicorn.py",
        ]
        self.log = (home / "log").open("w")
        self.process = subprocess.Popen(command, cwd="/", stdout=output or self.log, stderr=output or self.log)
        self.wait(lambda: self.status()["generation"] == 1)

    def release(self, name: str, wsgi: str = "", config: str = "", **options: Any) -> None:
        """Makes a release; what is not said is as in the first one."""
        folder = self.home / "releases" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wsgi.py").write_text((wsgi or WSGI).replace("{release}", name))
        usual = {
            "workers": 2,
            "more": [],
            "connections": 1000,
            "one_by_one": False,
            "keepalive": 75,
            "graceful": 10,
            "timeout": 30,
            "head_timeout": 15,
            # Seconds that nothing takes which is about to end, on a machine that does much else.
            "load_timeout": 10,
            "shared": True,
        }
        filled = {"bind": [f"127.0.0.1:{self.port}"], "home": self.home, "prepare": None, **usual, **options}
        (folder / "gunicorn.py").write_text(config or CONFIG.format(**filled))

    def switch(self, name: str) -> None:
        (self.home / "next").symlink_to(f"releases/{name}")
        (self.home / "next").rename(self.home / "current")

    def ask(self, **request: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(20)
            channel.connect(f"{self.home}/control")
            channel.send(json.dumps(request).encode())
            answer: dict[str, Any] = json.loads(channel.recv(1 << 20))
            return answer

    def status(self) -> dict[str, Any]:
        return self.ask(verb="status")

    def wait(self, reached: Any, seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if reached():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not reached\n{(self.home / 'log').read_text()[-3000:]}")

    def stop(self) -> None:
        """Nothing of it stays, also of one that hangs: that is for a test to say, and not for the next one to find."""
        masters = {self.process.pid}
        with suppress(OSError):
            masters.add(self.status()["pid"])
        family = {one for pid in masters for one in (pid, *descendants(pid))}
        for pid in masters:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        with suppress(AssertionError):
            self.wait(lambda: self.process.poll() is not None and not any(Path(f"/proc/{pid}/exe").exists() for pid in masters), 15)
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Master]]:
    """Starts a master with release 1 and the options given; it is ended with the test."""
    with ExitStack() as ending:

        def begin(**options: Any) -> Master:
            running = Master(tmp_path, **options)
            ending.callback(running.stop)
            return running

        yield begin


@pytest.fixture
def master(start: Callable[..., Master]) -> Master:
    """A running master with two workers of release 1."""
    return start()
