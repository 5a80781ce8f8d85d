"""Processes of the application's own on a host: under the unit's sandbox, over a reload, a deploy's switch and a restart."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content

# Only functions of the standard library run in them, as wsgi.py is the application.
STARTED = """
import json, multiprocessing, os, subprocess, sys, time
from concurrent.futures import ProcessPoolExecutor

inner = application
kept = []

def started(how):
    if how == "program":
        kept.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True))
    else:
        kept.append(multiprocessing.get_context(how).Process(target=time.sleep, args=(600,), daemon=True))
        kept[-1].start()
    return kept[-1].pid

def pooled(how):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(how)) as pool:
        return list(pool.map(pow, (1, 2, 3), (2, 2, 2)))

def application(environ, start_response):
    verb, _, how = environ["PATH_INFO"].strip("/").partition("/")
    if verb not in ("pool", "start", "python"):
        return inner(environ, start_response)
    found = {"pool": pooled, "start": started, "python": lambda how: [sys.executable, sys.path[0]]}[verb](how)
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""
WAYS = ("program", "fork", "spawn", "forkserver")


def ask(service: Service, path: str) -> Any:
    connection = http.client.HTTPConnection(*service.address, timeout=30)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture
def starting(service: Service) -> Service:
    """A release that starts processes when it is asked to."""
    service.switch(service.variant(Content(after=STARTED)))
    service.systemctl("reload")
    return service


def alive(service: Service, pids: list[int]) -> list[int]:
    """Those of the processes that have not ended, as the host counts them: the service sees the same numbers."""
    said = service.run(f"for pid in {' '.join(map(str, pids))}; do [ ! -d /proc/$pid ] || echo $pid; done").out
    return list(map(int, said.split()))


def test_processes_of_every_kind_run_as_shipped_and_end_with_a_restart(starting: Service) -> None:
    """Pools by each method; and of what is still running, also in a session of its own, nothing is left when the service is back."""
    assert [ask(starting, f"/pool/{how}") for how in WAYS[1:]] == [[1, 4, 9]] * 3
    pids = [ask(starting, f"/start/{how}") for how in WAYS]
    assert alive(starting, pids) == pids
    starting.systemctl("restart")
    assert alive(starting, pids) == []
    assert ask(starting, "/pool/spawn") == [1, 4, 9]


def test_a_retiring_worker_keeps_to_its_releases_python(starting: Service) -> None:
    """What it starts after the link has moved on is of its own release, whose dependencies it has loaded."""
    python, path = ask(starting, "/python")
    release = starting.run(f"readlink -f {PATHS.current}").out.strip()
    assert (python, path) == (f"{release}/venv/bin/python", f"{release}/app")


def test_daemonic_processes_end_with_their_worker(starting: Service) -> None:
    """As multiprocessing has it (daemon=True), when a reload retires the worker that started them."""
    pids = [ask(starting, f"/start/{how}") for how in WAYS[1:]]
    starting.systemctl("reload")
    end = time.monotonic() + 30
    while alive(starting, pids) and time.monotonic() < end:
        time.sleep(0.5)
    assert alive(starting, pids) == []
