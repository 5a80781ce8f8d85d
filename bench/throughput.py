"""Requests per second, processor time and memory of one worker: bare WSGI, bare Flask, and raab with everything on, all under gunicorn.

Once with the one header that a request needs, once with twelve as browsers send them.
"""

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
from usage import descendants, processor_seconds

from raab.errors import RaabError
from raab.host.master.memory import memory as memory_of

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


# As Firefox sends them, behind a proxy.
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://127.0.0.1/shop/things?page=2",
    "Cookie: session=eyJhIjoxfQ.Z0123w.abcdefghijklmnopqrstuvwxyz; theme=dark",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "X-Forwarded-For: 203.0.113.7",
)
KINDS = {"": (), ", 12 headers": BROWSER}


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
    values: dict[str, list[float]] = {}
    units: dict[str, str] = {}

    def note(what: str, unit: str, value: float) -> None:
        values.setdefault(what, []).append(value)
        units[what] = unit

    for _ in range(rounds):
        for name, command in servers.items():
            with server(command) as pid:
                wrk(1)
                for kind, headers in KINDS.items():
                    before = processor(pid)
                    rate = wrk(SECONDS, headers)
                    note(f"{name}{kind}, requests/s", "requests/s", rate)
                    note(f"{name}{kind}, processor", "us", (processor(pid) - before) / (rate * SECONDS) * 1e6)
                note(f"{name}, worker memory", "MB", sum(found.private for found in map(memory_of, children(pid)) if found) / 1e6)
    return {what: Series(units[what], tuple(found)) for what, found in values.items()}


def processor(pid: int) -> float:
    """CPU seconds of all of a server: gunicorn's templates and masters do nothing meanwhile."""
    return sum(map(processor_seconds, descendants(pid)))


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


def wrk(seconds: int, headers: tuple[str, ...] = ()) -> float:
    """Requests per second over as many seconds; every one has to be answered well."""
    load = ("wrk", "--threads=1", f"--connections={CONNECTIONS}", f"--duration={seconds}s", "--timeout=10s")
    command = (*load, *(f"--header={header}" for header in headers), f"http://127.0.0.1:{PORT}/")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if not found or "Non-2xx" in said or "Socket errors" in said:
        raise RaabError(f"bench: wrk met errors, got\n{said}")
    return float(found[1])


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def table(measured: dict[str, Series]) -> Table:
    memory = measured["bare Flask, worker memory"]
    rows = []
    for name in (*SERVERS, "raab", GRANIAN_NAME):
        for kind in KINDS:
            if f"{name}{kind}, requests/s" not in measured:
                continue
            rate, flask = measured[f"{name}{kind}, requests/s"], measured[f"bare Flask{kind}, requests/s"]
            used, of_flask = measured[f"{name}{kind}, processor"], measured[f"bare Flask{kind}, processor"]
            size = measured[f"{name}, worker memory"]
            own = () if kind else (size.ratio(memory), size.text(1))
            rows.append((f"{name}{kind}", rate.ratio(flask), rate.text(0), used.ratio(of_flask), used.text(0), *own))
    title = f"One worker, {CONNECTIONS} connections, wrk beside it on the same cores (medians, min-max)"
    columns = ("", "of bare Flask", "requests/s", "of its CPU", "CPU a request", "of its memory", "worker memory")
    return Table(title, columns, tuple(row + ("",) * (len(columns) - len(row)) for row in rows))
