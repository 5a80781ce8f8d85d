"""gunicorn with the hand-over on this machine, without systemd, in an environment of its own: what bench/loads.py measures."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from usage import descendants, processor_seconds

from raab.errors import RaabError
from raab.host.master import control
from raab.host.paths import here
from raab.lab.process import until

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """\
import handover
wsgi_app, pythonpath, bind, workers = "{application}", "{root}/bench", "127.0.0.1:{port}", {workers}
worker_class, logger_class = handover.HandoverWorker, handover.JournalLogger
worker_tmp_dir, control_socket_disable = "/dev/shm", True
pre_fork, post_fork = handover.pre_fork, handover.post_fork
on_starting = handover.Options(control="{home}/control", target_file="{home}/workers.json", check="/", shared={shared})
"""
PATIENCE = 30.0


def ask(**request: Any) -> dict[str, Any]:
    """What the measured master answers, which is none of systemd's."""
    return control.ask(here(os.environ), PATIENCE, vouched=False, **request)


@dataclass(frozen=True)
class Master:
    """A master that serves; while it is measured, `ask` finds its control socket."""

    pid: int
    port: int

    def workers(self) -> list[dict[str, Any]]:
        """Those that serve and those that come or go, oldest first."""
        found: list[dict[str, Any]] = ask(verb="status")["workers"]
        return found

    def serving(self) -> set[int]:
        return {worker["pid"] for worker in self.workers() if worker["phase"] == "serving"}

    def scale(self, workers: int) -> None:
        """Returns as soon as so many serve, and no others."""
        ask(verb="scale", to=workers)

    def reload(self) -> None:
        """Returns as soon as a new generation serves; the old one may still be leaving."""
        ask(verb="reload")

    def outlives(self, processes: set[int]) -> None:
        """Waits until none of these processes descends from it any more."""
        if not until(PATIENCE, lambda: not processes & set(descendants(self.pid))):
            raise RaabError(f"bench: {processes} were to end, got after {PATIENCE:.0f} s {descendants(self.pid)}")

    def settled(self, workers: int, without: set[int]) -> None:
        """Waits until so many serve and none of those `without`. Asks closely: what is measured takes ten milliseconds and more."""
        if not until(PATIENCE, lambda: len(self.serving() - without) == len(self.workers()) == workers, every=0.001):
            raise RaabError(f"bench: {workers} workers without {without} were wanted, got after {PATIENCE:.0f} s {self.workers()}")

    def processor_seconds(self) -> float:
        """Of the master, of all that descend from it, and of those of them that have ended."""
        return sum(map(processor_seconds, descendants(self.pid)))

    def exercise(self, requests: int) -> None:
        """Sends requests until each worker has answered so many. Which of them takes a connection, the kernel decides."""
        end = time.monotonic() + PATIENCE
        while min(worker["requests"] for worker in self.workers()) < requests:
            if time.monotonic() > end:
                raise RaabError(f"bench: not every worker has answered {requests} requests, got {self.workers()}")
            connections = [http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE) for _ in range(20)]
            for connection in connections:
                connection.connect()
            for connection in connections * 10:
                connection.request("GET", "/")
                answer = connection.getresponse()
                said = answer.read()
                if answer.status != 200:
                    raise RaabError(f"bench: a request failed, got {answer.status} {said[:200]!r}")
            for connection in connections:
                connection.close()


def installed(folder: Path) -> Path:
    """Makes an environment with what bench/ordinary.py imports; returns where its programs are. Raises RaabError without PyPI."""
    uv, venv = Path(sys.executable).parent / "uv", folder / "venv"
    requirements = (f"--requirement={ROOT / 'requirements.lock'}", f"--requirement={ROOT / 'bench/ordinary.txt'}")
    for command in (
        (uv, "venv", "--quiet", f"--python={sys.executable}", venv),
        (uv, "pip", "install", "--quiet", "--compile-bytecode", f"--python={venv}/bin/python", *requirements),
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RaabError(f"bench: bench/ordinary.txt cannot be installed, got\n{done.stderr.strip()}", "is PyPI within reach?")
    return venv / "bin"


@contextmanager
def master(programs: Path, home: Path, application: str, mode: str, workers: int) -> Iterator[Master]:
    """A master that serves. Raises RaabError unless it loads as `mode` says: nothing else may be measured under that name."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = CONFIG.format(application=application, root=ROOT, port=port, workers=workers, home=home, shared=mode == "shared")
    (home / "gunicorn.py").write_text(config)
    command = (programs / "python", programs / "gunicorn", f"--config={home}/gunicorn.py")
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with (home / "log").open("w") as log, subprocess.Popen(command, cwd="/", env=environ, stdout=log, stderr=log) as process:
        try:
            until(PATIENCE, told(home / "control", process))
            if process.poll() is not None or not (home / "control").exists():
                raise RaabError(f"bench: gunicorn does not serve {application}, got\n{(home / 'log').read_text()[-2000:]}")
            with patch.dict(os.environ, RUNTIME_DIRECTORY=str(home)):
                load = ask(verb="status")["load"]
                if load["mode"] != mode:
                    raise RaabError(f"bench: {application} was to be loaded {mode}, got {load}")
                yield Master(process.pid, port)
        finally:
            process.terminate()


def told(control: Path, process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    """Whether the master has opened its control socket, which it does when its first workers serve, or has ended."""
    return lambda: control.exists() or process.poll() is not None
