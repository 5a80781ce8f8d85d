"""Processes of the application's own, in every way that Python starts them, from a worker as it runs on a host."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# What the processes run.
WORK = """
import os, sys, time
from pathlib import Path

def square(number): return number * number
def put(queue, number): queue.put((os.getpid(), square(number)))
def shadows(): return [folder for folder in sys.path if Path(folder, "gunicorn.py").exists()]

def nap(file):
    # Until the test has seen enough.
    Path(f"{file}-begun").touch()
    while not Path(file).exists(): time.sleep(0.02)

def nap_and_put(queue, file):
    nap(file)
    queue.put("rested")
"""
# At module level, while the application is loaded, and in views.
JOBS = """
import multiprocessing, multiprocessing.pool, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from flask import Blueprint
from work import nap, nap_and_put, put, shadows, square
blueprint = Blueprint("jobs", __name__)
PYTHON = [sys.executable, "-c", "import gunicorn.arbiter; print(6 * 7)"]

def loaded(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        return pool.submit(square, 5).result()

AT_LOAD = [loaded("spawn"), loaded("forkserver"), int(subprocess.run(PYTHON, capture_output=True, check=True).stdout)]

@blueprint.get("/loaded")
def at_load(): return {"found": AT_LOAD, "shadows": shadows()}

@blueprint.get("/process/<method>")
def process(method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    child = context.Process(target=put, args=(queue, 7))
    child.start()
    pid, found = queue.get()
    child.join()
    return {"found": found, "apart": pid == child.pid != os.getpid(), "status": child.exitcode}

@blueprint.get("/pool/<method>")
def pool(method):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        return {"found": list(pool.map(square, [1, 2, 3])), "shadows": pool.submit(shadows).result()}

@blueprint.get("/program")
def program():
    return {"found": int(subprocess.run(PYTHON, capture_output=True, check=True).stdout)}

@blueprint.get("/nap/<how>/<path:file>")
def long(how, file):
    if how == "program":
        subprocess.run([sys.executable, "-c", "import sys, work; work.nap(sys.argv[1])", f"/{file}"], check=True)
    elif how == "queue":
        queue = multiprocessing.Queue()
        child = multiprocessing.Process(target=nap_and_put, args=(queue, f"/{file}"))
        child.start()
        queue.get(timeout=20)
        child.join()
    elif how == "threads":
        with multiprocessing.pool.ThreadPool(1) as pool:
            pool.apply(nap, (f"/{file}",))
    else:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
            pool.submit(nap, f"/{file}").result()
    return {"found": "rested"}
"""
METHODS = ("fork", "spawn", "forkserver")


@pytest.fixture(scope="module")
def served(serve: Callable[..., Any]) -> Iterator[Any]:
    with serve({"shop/__init__.py": "", "shop/jobs/__init__.py": JOBS, "work.py": WORK}, RAAB_PROJECT__MODULES="[shop]") as running:
        yield running


def ask(server: Any, path: str) -> dict[str, Any]:
    answer = server.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200"), f"{answer.decode()}\n{server.log.read_text()[-3000:]}"
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def test_an_application_may_start_processes_while_it_is_loaded(served: Any) -> None:
    """Pools and programs at module level; and what raab loads by is not in the way of an import."""
    assert ask(served, "/loaded") == {"found": [25, 25, 42], "shadows": []}


@pytest.mark.parametrize("method", METHODS)
def test_a_view_may_start_a_process(served: Any, method: str) -> None:
    """By each of multiprocessing's methods."""
    assert ask(served, f"/process/{method}") == {"found": 49, "apart": True, "status": 0}


@pytest.mark.parametrize("method", METHODS)
def test_a_view_may_have_a_pool_of_processes(served: Any, method: str) -> None:
    """concurrent.futures', by each method."""
    assert ask(served, f"/pool/{method}") == {"found": [1, 4, 9], "shadows": []}


def test_a_view_may_run_a_program(served: Any) -> None:
    """Python itself, with the packages that the worker has."""
    assert ask(served, "/program") == {"found": 42}


@pytest.mark.parametrize("how", ["program", "queue", "threads", *METHODS])
def test_others_are_answered_while_a_view_waits_for_its_process(served: Any, how: str, tmp_path: Path) -> None:
    """A program's end, a pool's result and a queue's next are waited for as any other event."""
    found: list[dict[str, Any]] = []
    file = tmp_path / "seen"
    waiting = threading.Thread(target=lambda: found.append(ask(served, f"/nap/{how}{file}")))
    waiting.start()
    end = time.monotonic() + 20
    while not Path(f"{file}-begun").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    try:
        assert ask(served, "/loaded")["shadows"] == []
        assert waiting.is_alive()
    finally:
        file.touch()
        waiting.join(20)
    assert found == [{"found": "rested"}]
