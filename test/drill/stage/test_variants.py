"""Variants of a release: made by hard links, and never through them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raab.drill.stage.project import WSGI as PROJECT
from raab.drill.stage.variants import MAKE, PACKAGES, ROUTES, WSGI, Content


def make(releases: Path, content: Content) -> Path:
    base = releases / "base"
    (base / "venv" / "lib").mkdir(parents=True, exist_ok=True)
    (base / "app").mkdir(exist_ok=True)
    for name in ("app/wsgi.py", "gunicorn.py", "venv/lib/module.py", "manifest.json"):
        (base / name).write_text('{"id": "base", "content": "c"}' if name == "manifest.json" else f"# {name}\n")
    order = content.order(str(releases), "base", "new")
    subprocess.run([sys.executable, "-IS", "-c", MAKE], input=order, text=True, check=True)
    assert json.loads((base / "manifest.json").read_text())["id"] == "base"
    assert (base / "app/wsgi.py").read_text() == "# app/wsgi.py\n"
    assert (base / "gunicorn.py").read_text() == "# gunicorn.py\n"
    assert (base / "venv/lib/module.py").exists()
    return releases / "new"


def test_a_variant_differs_in_what_was_asked_for(tmp_path: Path) -> None:
    """Its files are new ones, its base keeps its own; what nobody changed is the same file."""
    new = make(tmp_path, Content(before="before = 1", after="after = 2", appended=(("gunicorn.py", "more = 1\n"),)))
    wsgi = (new / "app/wsgi.py").read_text()
    assert wsgi.startswith("before = 1\n") and wsgi.endswith("after = 2\n")
    assert 'release="new"' in wsgi
    assert (new / "gunicorn.py").read_text() == "# gunicorn.py\nmore = 1\n"
    assert json.loads((new / "manifest.json").read_text()) == {"id": "new", "content": "new"}
    assert (new / "venv/lib/module.py").samefile(tmp_path / "base/venv/lib/module.py")


def test_a_variant_lacks_what_was_left_out(tmp_path: Path) -> None:
    """Folders and files; and without the drill's routes it has its base's own wsgi.py."""
    new = make(tmp_path, Content(without=("venv/lib", "gunicorn.py"), drilled=False))
    assert sorted(path.name for path in new.iterdir()) == ["app", "manifest.json", "venv"]
    assert (new / "app/wsgi.py").read_text() == "# app/wsgi.py\n"


@pytest.mark.parametrize("python", ["python3.10", "python3.13"])
def test_packages_are_found_whatever_python_the_host_has(tmp_path: Path, python: str) -> None:
    site = tmp_path / "base/venv/lib" / python / "site-packages"
    (site / "gunicorn").mkdir(parents=True)
    for name in ("old.py", "longer.py"):
        (site / name).write_text("old = 1\n")
    new = make(
        tmp_path,
        Content(
            files=((f"{PACKAGES}/old.py", "new = 2\n"), (f"{PACKAGES}/fresh.py", "fresh = 3\n")),
            appended=((f"{PACKAGES}/longer.py", "more = 4\n"),),
            without=(f"{PACKAGES}/gunicorn",),
        ),
    )
    found = {path.name: path.read_text() for path in (new / "venv/lib" / python / "site-packages").iterdir()}
    assert found == {"old.py": "new = 2\n", "fresh.py": "fresh = 3\n", "longer.py": "old = 1\nmore = 4\n"}
    assert (site / "old.py").read_text() == "old = 1\n"


ASKED = """
import sys
from wsgiref.util import setup_testing_defaults
scope = {"__name__": "wsgi"}
exec(sys.stdin.read(), scope)
for path in ("/", "/slow"):
    environ = {"PATH_INFO": path, "QUERY_STRING": "seconds=0"}
    setup_testing_defaults(environ)
    answer = scope["application"](environ, lambda status, headers, *_: print(status, dict(headers).get("Raab-Release", "-")))
    print(b"".join(answer).decode().strip())
"""


@pytest.mark.parametrize("text", [WSGI.format(before="", after="", release="new"), PROJECT.format(seconds=0)], ids=["variant", "project"])
def test_what_drills_serve_is_what_raab_serves(text: str, tmp_path: Path) -> None:
    """With the routes of drills before it: without a host, so that a change of how raab is served says so at once."""
    (tmp_path / "drillroutes.py").write_text(ROUTES["app/drillroutes.py"])
    environ = {**os.environ, "RAAB_ENVIRONMENT": "production"}
    done = subprocess.run([sys.executable, "-c", ASKED], input=text, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("200 OK") and '"service"' in said[1]
    assert said[2].startswith("200 OK") and '"release"' in said[3]
