"""raab as its unit starts it, with the application of these tests mounted at /: a process of this machine, without systemd."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handover.process import descendants

from .wire import Wire, request

ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A running service: `address` for clients, `log` as journald would get it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address: tuple[str, int] = free.getsockname()
        shutil.copy(Path(__file__).with_name("application.py"), folder / "application.py")
        environ = {
            **os.environ,
            "RAAB_ENVIRONMENT": "production",
            "RUNTIME_DIRECTORY": str(folder),
            "PYTHONPATH": str(folder),
            "RAAB_PROJECT__MOUNTS": "{/: 'application:application'}",
            "RAAB_SERVER__BIND": f"127.0.0.1:{self.address[1]}",
            "RAAB_SERVER__WORKERS": "1",
            "RAAB_SERVER__LINGER": "1",
            "RAAB_LIMITS__BODY": "100000",
            **settings,
        }
        self.folder, self.log = folder, folder / "log"
        command = [sys.executable, str(Path(sys.executable).with_name("gunicorn")), "-c", str(ROOT / "gunicorn.py")]
        with self.log.open("wb") as stream:
            self.process = subprocess.Popen(command, cwd="/", env=environ, stderr=stream)
        self.until(lambda: (folder / "control").exists() and self.status()["workers"])

    def status(self) -> dict[str, Any]:
        """What the master says of itself and its workers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.settimeout(20)
            channel.connect(str(self.folder / "control"))
            channel.send(b'{"verb": "status"}')
            answer: dict[str, Any] = json.loads(channel.recv(1 << 20))
            return answer

    def pids(self) -> list[int]:
        return [worker["pid"] for worker in self.status()["workers"]]

    def seen(self) -> list[str]:
        """What its application has been asked since this was asked last."""
        with Wire(self.address) as wire:
            wire.send(request("/seen", "Connection: close"))
            answer = wire.answer()
            assert answer is not None
            found: list[str] = json.loads(answer.body)
            return found

    def until(self, reached: Callable[[], Any], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if reached():
                    return
            except OSError:
                pass
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"not reached\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        """Nothing of it stays, also of one that hangs."""
        family = (self.process.pid, *descendants(self.process.pid))
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in family:
                if Path(f"/proc/{pid}").exists():
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Service]:
    """A service for as long as the context lasts."""
    running = Service(folder, **settings)
    try:
        yield running
    finally:
        running.stop()
