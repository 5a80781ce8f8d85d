"""Variants of a release: made by hard links, and never through them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from raab.drill.variants import MAKE, Content


def make(releases: Path, content: Content) -> Path:
    base = releases / "base"
    (base / "venv" / "lib").mkdir(parents=True)
    for name in ("wsgi.py", "gunicorn.py", "venv/lib/module.py", "manifest.json"):
        (base / name).write_text('{"id": "base", "content": "c"}' if name == "manifest.json" else f"# {name}\n")
    order = content.order(str(releases), "base", "new")
    subprocess.run([sys.executable, "-IS", "-c", MAKE], input=order, text=True, check=True)
    assert json.loads((base / "manifest.json").read_text())["id"] == "base"
    assert (base / "wsgi.py").read_text() == "# wsgi.py\n"
    assert (base / "gunicorn.py").read_text() == "# gunicorn.py\n"
    assert (base / "venv/lib/module.py").exists()
    return releases / "new"


def test_a_variant_differs_in_what_was_asked_for(tmp_path: Path) -> None:
    """Its files are new ones, its base keeps its own; what nobody changed is the same file."""
    new = make(tmp_path, Content(before="before = 1", after="after = 2", appended=(("gunicorn.py", "more = 1\n"),)))
    wsgi = (new / "wsgi.py").read_text()
    assert wsgi.startswith("before = 1\n") and wsgi.endswith("after = 2\n")
    assert 'release="new"' in wsgi
    assert (new / "gunicorn.py").read_text() == "# gunicorn.py\nmore = 1\n"
    assert json.loads((new / "manifest.json").read_text()) == {"id": "new", "content": "new"}
    assert (new / "venv/lib/module.py").samefile(tmp_path / "base/venv/lib/module.py")


def test_a_variant_lacks_what_was_left_out(tmp_path: Path) -> None:
    """Folders and files; and without the drill's routes it has its base's own wsgi.py."""
    new = make(tmp_path, Content(without=("venv/lib", "gunicorn.py"), drilled=False))
    assert sorted(path.name for path in new.iterdir()) == ["manifest.json", "venv", "wsgi.py"]
    assert (new / "wsgi.py").read_text() == "# wsgi.py\n"
