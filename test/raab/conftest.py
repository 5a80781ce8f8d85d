"""An application with packaged settings, apart from the machine's /etc/raab and environment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from hypothesis import settings

from raab import create_app
from raab.factory.configFactory import load_settings

if TYPE_CHECKING:
    from ..conftest import Programs

# A time limit per example would measure what else the machine is doing.
settings.register_profile("raab", deadline=None)
settings.load_profile("raab")

ROOT = Path(__file__).parents[2]
MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """`make_app(RAAB_...="...", files={"shop/cart/__init__.py": "..."})`: files are importable while the test runs."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(files: dict[str, str] | None = None, **environ: str) -> Flask:
        for name, text in (files or {}).items():
            path = tmp_path / "path" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return create_app(load_settings(environ, tmp_path / "no-etc"))

    yield make
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an activation's requests are known by, where root leaves it: beside the runtime directory."""
    folder = tmp_path / "run" / "raab"
    folder.mkdir(parents=True)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    text = "0123456789abcdef" * 4
    Path(f"{folder}-proof").write_text(text)
    return text


class Reached:
    """Something that listens at `port` of this machine."""

    process: subprocess.Popen[bytes]

    def __init__(self, port: int, log: Path) -> None:
        self.port, self.log = port, log

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15, source_address=(source, 0))

    def ask(self, data: bytes, source: str = "127.0.0.1") -> bytes:
        """All that comes back until the connection is closed."""
        with self.connect(source) as client:
            client.sendall(data)
            return b"".join(iter(lambda: client.recv(65536), b""))

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + 30
        while True:
            assert process.poll() is None and time.monotonic() < end, self.log.read_text()
            with contextlib.suppress(OSError), self.connect():
                return
            time.sleep(0.05)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], reached: Reached, environ: dict[str, str] | None = None, end: int = signal.SIGTERM) -> Iterator[Reached]:
    """A program while the block lasts. It ends by that signal, or the test fails."""
    with reached.log.open("wb") as log:
        process = subprocess.Popen(command, cwd="/", env=environ, stdout=log, stderr=log)
    try:
        reached.process = process
        reached.wait(process)
        yield reached
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., contextlib.AbstractContextManager[Reached]]:
    """`with serve({"shop/__init__.py": "..."}, RAAB_...="...") as server`: raab by its own gunicorn.py, laid out as a release on a host,
    with one worker; the files can be imported there. `more` is a second address."""

    @contextlib.contextmanager
    def begin(files: dict[str, str], more: str = "", **environ: str) -> Iterator[Reached]:
        home = tmp_path_factory.mktemp("served")
        for path, text in ((home / "modules" / name, text) for name, text in files.items()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        release = home / "releases/1"
        (release / "app").mkdir(parents=True)
        shutil.copy(ROOT / "gunicorn.py", release)
        shutil.copy(ROOT / "wsgi.py", release / "app")
        (home / "current").symlink_to("releases/1")
        reached = Reached(free_port(), home / "log")
        command = [sys.executable, str(Path(sys.executable).with_name("gunicorn")), "-c", str(home / "current/gunicorn.py")]
        binds = [f"127.0.0.1:{reached.port}", *filter(None, [more])]
        usual = {"RAAB_ENVIRONMENT": "production", "RAAB_SERVER__BIND": json.dumps(binds), "RAAB_SERVER__WORKERS": "1"}
        with running(command, reached, {**os.environ, "PYTHONPATH": str(home / "modules"), **usual, **environ}):
            yield reached

    return begin


@pytest.fixture
def proxy(tmp_path: Path, programs: Programs) -> Iterator[Callable[..., Reached]]:
    """`proxy("haproxy", configuration, server="127.0.0.1:1")`: Debian's, a child of this process."""
    with contextlib.ExitStack() as ending:

        def begin(name: str, configuration: str, **values: str) -> Reached:
            reached = Reached(free_port(), tmp_path / f"{name}.log")
            file = tmp_path / f"{name}.conf"
            file.write_text(configuration.format(port=reached.port, home=tmp_path, **values).lstrip())
            flag = {"haproxy": ["-f"], "nginx": ["-e", str(reached.log), "-p", str(tmp_path), "-c"]}[name]
            # HAProxy, one process, may take its time for a clean end, which is not what is tested.
            end = signal.SIGKILL if name == "haproxy" else signal.SIGTERM
            return ending.enter_context(running([str(programs.find(name)), *flag, str(file)], reached, programs.environ, end))

        yield begin
