"""Requests per second and memory of one worker: bare WSGI, bare Flask, and raab with everything on, all under gunicorn and gevent."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Series, Table
from peers import fetched

from raab.errors import RaabError
from raab.host.memory import memory as memory_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
PORT = 8765
SECONDS = 4
CONNECTIONS = 32
STOCK = (
    f"--bind=127.0.0.1:{PORT}",
    "--workers=1",
    "--worker-class=gevent",
    "--keep-alive=75",
    f"--pythonpath={ROOT / 'bench'}",
    "--no-control-socket",
)
GUNICORN = (sys.executable, str(BIN / "gunicorn"))
SERVERS = {"bare WSGI": (*GUNICORN, *STOCK, "apps:wsgi"), "bare Flask": (*GUNICORN, *STOCK, "apps:flask")}
RAAB = (*GUNICORN, f"--config={ROOT / 'gunicorn.py'}")
# Another server, in Rust, with threads instead of greenlets: for comparison only, so it is fetched when it is measured.
GRANIAN = "granian==2.8.7"
GRANIAN_NAME = "bare Flask on granian"
SERVE = (sys.executable, "-m", "granian", "--interface=wsgi", "--host=127.0.0.1", f"--port={PORT}", "--workers=1", "apps:flask")
ENVIRON = {"RAAB_ENVIRONMENT": "production", "RAAB_SERVER__BIND": f"127.0.0.1:{PORT}", "RAAB_SERVER__WORKERS": "1"}


def servers(folder: Path) -> dict[str, tuple[str, ...]]:
    """All servers. raab with all that it has under systemd, so with a runtime directory: metrics, admin listener, control socket.

    granian only where it can be had from PyPI.
    """
    run, library = folder / "run", folder / "library"
    run.mkdir()
    found = {**SERVERS, "raab": ("/usr/bin/env", f"RUNTIME_DIRECTORY={run}", *RAAB)}
    if fetched(GRANIAN, library):
        found[GRANIAN_NAME] = ("/usr/bin/env", f"PYTHONPATH={library}:{ROOT / 'bench'}", *SERVE)
    return found


def measure(rounds: int) -> dict[str, Series]:
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder:
        return measure_all(servers(Path(folder)), rounds)


def measure_all(servers: dict[str, tuple[str, ...]], rounds: int) -> dict[str, Series]:
    """Takes the servers in turn, so that what else the machine does hits all alike."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    memory: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, command in servers.items():
            with server(command) as pid:
                wrk(1)
                rates[name].append(wrk(SECONDS))
                memory[name].append(sum(found.private for found in map(memory_of, children(pid)) if found) / 1e6)
    return {
        **{f"{name}, requests/s": Series("requests/s", tuple(values)) for name, values in rates.items()},
        **{f"{name}, worker memory": Series("MB", tuple(values)) for name, values in memory.items()},
    }


@contextmanager
def server(command: tuple[str, ...]) -> Iterator[int]:
    """A server that answers; its master's pid. Its log goes nowhere, as a service's goes to a journal that somebody else writes."""
    with subprocess.Popen(command, cwd="/", env={**os.environ, **ENVIRON}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(process)
            yield process.pid
        finally:
            process.terminate()


def wait_for(process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", PORT), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                if connection.recv(100).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            time.sleep(0.05)
    raise RaabError(f"bench: a server does not answer, got {' '.join(map(str, process.args))}")  # type: ignore[arg-type]


def wrk(seconds: int) -> float:
    """Requests per second over as many seconds; every one has to be answered well."""
    command = ("wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--timeout=10s", f"http://127.0.0.1:{PORT}/")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if not found or "Non-2xx" in said or "Socket errors" in said:
        raise RaabError(f"bench: wrk met errors, got\n{said}")
    return float(found[1])


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def table(measured: dict[str, Series]) -> Table:
    flask, memory = measured["bare Flask, requests/s"], measured["bare Flask, worker memory"]
    rows = []
    for name in (*SERVERS, "raab", GRANIAN_NAME):
        if f"{name}, requests/s" not in measured:
            continue
        rate, size = measured[f"{name}, requests/s"], measured[f"{name}, worker memory"]
        cost = (1 / rate.median - 1 / flask.median) * 1e6
        rows.append((name, rate.ratio(flask), rate.text(0), f"{cost:+.0f} us", size.ratio(memory), size.text(1)))
    title = f"One worker, {CONNECTIONS} connections, wrk beside it on the same cores (medians, min-max)"
    return Table(title, ("", "of bare Flask", "requests/s", "a request", "of its memory", "worker memory"), tuple(rows))
