"""Projects of other layouts than one folder with all of it: what a release has of them, and that they are imported from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raab.deploy.bundle import build as bundle
from raab.deploy.bundle.parts import Bundle
from raab.host.session.unpack import Target, unpack
from raab.project import lock
from raab.project.lock import HEAD
from raab.protocol.manifest import ARCHIVES

LOCK = HEAD.format(file="requirements.txt", version="0", digest="0" * 64)
# As raab.served.place has them, in a process of its own.
IMPORT = """
import importlib, os, sys
root, target, *places = sys.argv[1:]
os.chdir(root)
sys.path[:0] = [os.path.normpath(os.path.join(root, one)) for one in places]
module, name = target.split(":")
print(getattr(importlib.import_module(module), name))
"""
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "shop"\nversion = "1"\n'
NAMED = "app = __name__\n"
# Files, what deploy/config.yaml says beside the name, the application, and what of it lies in the release's `app`.
LAYOUTS: dict[str, tuple[dict[str, str], str, tuple[str, ...], set[str]]] = {
    "src, as its wheel": (
        {"pyproject.toml": SETUPTOOLS, "src/shop/__init__.py": NAMED, "src/shop/t/a.html": "<p>"},
        "app: shop:app\n",
        (".",),
        {"shop/__init__.py", "shop/t/a.html"},
    ),
    "src, as its files": (
        {"src/shop/__init__.py": "import config\n" + NAMED, "config.py": ""},
        "app: shop:app\npython_path: [src, .]\n",
        ("src", "."),
        {"src/shop/__init__.py", "config.py"},
    ),
    "a namespace package as its wheel": (
        {"pyproject.toml": SETUPTOOLS, "src/firm/shop/web.py": NAMED, "src/firm/shop/t/a.html": "<p>"},
        "app: firm.shop.web:app\n",
        (".",),
        {"firm/shop/web.py", "firm/shop/t/a.html"},
    ),
    "a namespace package as its files": (
        {"firm/shop/web.py": "import firm.stock.things\n" + NAMED, "firm/stock/things.py": ""},
        "app: firm.shop.web:app\n",
        (".",),
        {"firm/shop/web.py", "firm/stock/things.py"},
    ),
    "a namespace package in two folders": (
        {"src/firm/shop/web.py": "import firm.stock.things\n" + NAMED, "libs/firm/stock/things.py": ""},
        "app: firm.shop.web:app\npython_path: [src, libs]\n",
        ("src", "libs"),
        {"src/firm/shop/web.py", "libs/firm/stock/things.py"},
    ),
}


@pytest.fixture(autouse=True)
def nobodys_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fits is test_lock.py's affair."""
    monkeypatch.setattr(lock, "stale", lambda root: "")


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def commit(root: Path) -> None:
    for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "one")):
        subprocess.run(("git", *words), cwd=root, check=True, capture_output=True)


def described(text: str) -> dict[str, str]:
    return {"deploy/config.yaml": f"name: shop\n{text}", "deploy/requirements.lock": LOCK, ".gitignore": "build/\n"}


def unpacked(made: Bundle, release: Path) -> set[str]:
    """The project's archives, as a host unpacks them; the files there, without what tells of archives."""
    release.mkdir()
    for part in made.parts:
        if part.name.startswith("app/") and part.name.endswith(ARCHIVES):
            unpack(part.path, Target(release, "app"), None)
    found = (path.relative_to(release / "app") for path in release.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not path.parts[0].endswith((".raab", ".dist-info"))}


def imported(release: Path, target: str, places: tuple[str, ...]) -> str:
    words = (sys.executable, "-I", "-c", IMPORT, str(release / "app"), target, *places)
    return subprocess.run(words, cwd="/", check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_lies_in_a_release_and_is_imported_there(layout: str, tmp_path: Path) -> None:
    files, text, places, wanted = LAYOUTS[layout]
    root = tmp_path / "shop"
    write(root, {**files, **described(text)})
    commit(root)
    assert unpacked(bundle.build(root), tmp_path / "release") == wanted
    target = text.split()[1]
    assert imported(tmp_path / "release", target, places) == target.partition(":")[0]


def test_a_project_in_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    """Its own files and no others; what others change there neither makes it dirty nor another release."""
    others = {"services/stock/app.py": "", "libs/common.py": "", "pyproject.toml": "", "readme.md": ""}
    write(tmp_path / "firm", others)
    root = tmp_path / "firm/services/shop"
    write(root, {"shop.py": NAMED, "static/a.css": "", **described("app: shop:app\n")})
    commit(tmp_path / "firm")
    made = bundle.build(root)
    assert unpacked(made, tmp_path / "release") == {"shop.py", "static/a.css"}
    assert imported(tmp_path / "release", "shop:app", (".",)) == "shop"
    write(tmp_path / "firm", dict.fromkeys(others, "changed\n"))
    again = bundle.build(root)
    assert (made.dirty, again.dirty, again.content, again.id) == (False, False, made.content, made.id)
    (root / "shop.py").write_text("app = 1\n")
    assert bundle.build(root).dirty
