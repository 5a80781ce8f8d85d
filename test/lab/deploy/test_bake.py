"""A bake, on real hosts: what belongs to the new generation counts, and nothing else."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import threading
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from raab.lab.state import LabHost

ENVIRONMENT = "hosts: lab\nwaves: [1, 100%]\ndrills: allowed\nbake: 6\n"
STREAMS = """
import time
from flask import Response

def dripping():
    for _ in range(600):
        yield b"x"
        time.sleep(0.1)

def failing():
    yield b"x"
    if BROKEN:
        raise ValueError("in the middle")

@blueprint.get("/endless")
def endless(): return Response(dripping())

@blueprint.get("/stream")
def stream(): return Response(failing())
"""


def released(project: Any, mark: str, *, broken: bool) -> None:
    project.mark(mark)
    card = project.root / "src/raab/modules/home/__init__.py"
    card.write_text(card.read_text() + STREAMS.replace("BROKEN", str(broken)))


def deployed(project: Any, baking: Callable[[], object]) -> tuple[int, str]:
    """A deploy's exit code and all that it said; `baking` is called when the first wave bakes."""
    environ = {**project.environ, "PYTHONUNBUFFERED": "1"}
    command = project.command("deploy")
    process = subprocess.Popen(command, cwd=project.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if "baking for" in line:
            baking()
    assert "baking for" in said, said
    return process.wait(60), said


def fetch(host: LabHost, path: str) -> None:
    with (
        contextlib.suppress(OSError, http.client.HTTPException),
        urllib.request.urlopen(f"http://{host.address}:8000{path}", timeout=30) as answer,
    ):
        answer.read()


@pytest.mark.prove
def test_a_bake_looks_at_the_new_generation(project: Any, lab: Any, ask: Any) -> None:
    """A good release stays, although workers of before leave meanwhile with answers that they had to cut, and one of its own because
    somebody scales; one whose answers fail in streams is taken back, although each of them began with a 200."""
    first, second = lab.hosts(2)
    project.environment("lab", ENVIRONMENT)
    released(project, "old", broken=False)
    project.fab("deploy")

    threading.Thread(target=fetch, args=(first, "/endless"), daemon=True).start()
    shell = lab.shell(first)
    released(project, "good", broken=False)
    code, said = deployed(project, lambda: shell.run(f"raab scale 3 && raab scale 2 && kill -KILL $(raab status --json | {RETIRING})"))
    assert code == 0, said
    good = ask(first)["release"]
    assert ask(second)["release"] == good

    released(project, "bad", broken=True)
    code, said = deployed(project, lambda: [fetch(first, "/stream") for _ in range(10)])
    assert code == 4 and "answers were errors, got 10 of " in said, said

    released(project, "dies", broken=False)
    code, said = deployed(project, lambda: shell.run(f"kill -KILL $(raab status --json | {SERVING})"))
    assert code == 4 and "bake: workers died, got 1" in said, said
    assert [ask(host)["release"] for host in (first, second)] == [good, good]


_PICK = 'python3 -c \'import json, sys; print(*[w["pid"] for w in json.load(sys.stdin)["workers"] if w["phase"] == "{}"][:1])\''
RETIRING, SERVING = _PICK.format("retiring"), _PICK.format("serving")
