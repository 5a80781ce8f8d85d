"""The newcomer's clock: from `pip install` to the page on a host of the lab, by what docs/projects.md says to type and nothing else."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.lab import lab as lifecycle
from raab.lab.state import Lab, hosts, named

ROOT = Path(__file__).resolve().parents[4]
# Seconds, where the image of the lab's hosts is there already.
PROMISED = 180
SHOP = {
    "app.py": """from flask import Flask, render_template


def create_app():
    app = Flask(__name__)

    @app.get("/")
    def shelf():
        return render_template("shelf.html")

    return app
""",
    "templates/shelf.html": "<link rel=\"stylesheet\" href=\"{{ url_for('static', filename='shop.css') }}\">Apples and pears\n",
    "static/shop.css": "body { color: green }\n",
    "requirements.txt": "flask\n",
    ".gitignore": "/.venv/\n",
}


@pytest.fixture
def empty(lab: Any) -> Iterator[Lab]:
    """A lab beside that of the tests, which has no host yet."""
    beside = named(f"{lab.lab.name}new")
    lifecycle.down(beside)
    yield beside
    lifecycle.down(beside)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """raab's own, as `make dist` builds it."""
    words = ("-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT))
    subprocess.run((sys.executable, *words), cwd=tmp_path, check=True, capture_output=True, timeout=200)
    (found,) = (tmp_path / "dist").glob("*.whl")
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A small project of somebody's who has heard of raab: in git, with an environment that has its Flask."""
    root = tmp_path / "shop"
    for name, text in SHOP.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "one")):
        subprocess.run((*git, *words), cwd=root, check=True)
    subprocess.run((sys.executable, "-m", "venv", ".venv"), cwd=root, check=True)
    subprocess.run((".venv/bin/pip", "install", "-q", "flask"), cwd=root, check=True, timeout=280)
    return root


def told() -> tuple[str, ...]:
    """The lines to be typed, by the first block of the page."""
    page = (ROOT / "docs/projects.md").read_text()
    block = re.search(r"(?:^    .+\n)+", page, re.MULTILINE)
    assert block
    return tuple(line.partition("#")[0].strip() for line in block[0].splitlines())


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_newcomer_sees_the_page_within_three_minutes(empty: Lab, wheel: Path, shop: Path) -> None:
    """The lab, too, is booted by what is typed. No line is written by hand."""
    assert told() == ('pip install "raab[deploy]"', "raab init", "fab deploy")
    environ = {**os.environ, "PATH": f"{shop}/.venv/bin:{os.environ['PATH']}", "VIRTUAL_ENV": f"{shop}/.venv", "RAAB_LAB": empty.name}
    environ.pop("PYTHONPATH", None)
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file() and not {".venv", ".git"} & {*path.parts}}
    took, used = [], os.times()
    for line in told():
        began = time.monotonic()
        # Until raab is on an index.
        words = [f"raab[deploy] @ file://{wheel}" if word == "raab[deploy]" else word for word in shlex.split(line)]
        done = subprocess.run(words, cwd=shop, env=environ, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        took.append((line, time.monotonic() - began))
    began = time.monotonic()
    for one in hosts(empty):
        for path, text in (("/", "Apples and pears"), ("/static/shop.css", "color: green")):
            with urllib.request.urlopen(f"http://{one.address}:8000{path}", timeout=10) as answer:
                assert text in answer.read().decode()
    took.append(("the page", time.monotonic() - began))
    assert len(hosts(empty)) == 2
    assert {path: path.read_bytes() for path in before if path.name != ".gitignore"} == {
        path: text for path, text in before.items() if path.name != ".gitignore"
    }
    print("\n".join(f"{seconds:6.1f} s  {line}" for line, seconds in took))
    whole = sum(seconds for _, seconds in took)
    now = os.times()
    busy = now.children_user + now.children_system - used.children_user - used.children_system
    print(f"{whole:6.1f} s from pip install to the page; {busy:.1f} s of a processor for what was typed; load {os.getloadavg()[0]:.0f}")
    assert whole <= PROMISED
