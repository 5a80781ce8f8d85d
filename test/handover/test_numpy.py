"""numpy in a template: its threads end before each fork (pthread_atfork(3), as OpenBLAS has it), which is decided here and not by hope."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Master

SRC = Path(__file__).parents[2] / "src"
# The product is large enough for OpenBLAS to use all its threads.
WSGI = """
import numpy, os
numpy.ones((600, 600)) @ numpy.ones((600, 600)) * numpy.random.random()
def application(environ, start_response):
    start_response("200 OK", [])
    product = numpy.ones((600, 600)) @ numpy.ones((600, 600))
    return [f"{os.getpid()} {product[0, 0]} {numpy.random.random()}".encode()]
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    """The interpreter of an environment with numpy, this tree's source, and the server in the versions that the tests run with."""
    uv = [sys.executable, "-m", "uv"]
    python = str(tmp_path / "venv/bin/python")
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(tmp_path / "venv")], check=True, capture_output=True)
    needed = [f"{name}=={metadata.version(name)}" for name in ("gevent", "gunicorn", "httptools", "packaging")]
    done = subprocess.run([*uv, "pip", "install", "-q", "--no-build", "--python", python, "numpy", *needed], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"numpy cannot be had: {done.stderr.strip()[-200:]}")
    packages = subprocess.run([python, "-c", "import site; print(site.getsitepackages()[0])"], capture_output=True, text=True, check=True)
    Path(packages.stdout.strip(), "src.pth").write_text(f"{SRC}\n")
    return python


@pytest.mark.prove
def test_numpy_is_shared_and_counts_in_every_worker(python: str, start: Callable[..., Master]) -> None:
    """The template is no obstacle to its threads, and each worker draws random numbers of its own."""
    master = start(python=python)
    master.release("2", WSGI)
    master.switch("2")
    assert master.ask(verb="reload")["good"] and master.status()["load"] == {"mode": "shared", "why": ""}
    master.wait(lambda: [one["phase"] for one in master.status()["workers"]] == ["serving"] * 2)
    drawn: dict[str, str] = {}
    while len(drawn) < 2:
        with urllib.request.urlopen(f"http://127.0.0.1:{master.port}/", timeout=10) as answer:
            pid, product, number = answer.read().decode().split()
        assert product == "600.0"
        drawn.setdefault(pid, number)
    assert len(set(drawn.values())) == 2
