"""A project that is not raab's own: which of its files travel, and as what."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from raab.deploy.bundle import build as bundle
from raab.deploy.bundle.parts import Bundle
from raab.deploy.bundle.tree import look
from raab.errors import RaabError
from raab.project import lock, runtime
from raab.project.lock import HEAD
from raab.protocol.manifest import parse

Make = Callable[[dict[str, str]], Path]
LOCK = HEAD.format(file="requirements.txt", version="0", digest="0" * 64)


@pytest.fixture(autouse=True)
def nobodys_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it fits is test_lock.py's affair."""
    monkeypatch.setattr(lock, "stale", lambda root: "")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A committed project of these files."""

    def made(files: dict[str, str]) -> Path:
        root = tmp_path / "shop"
        for name, text in {"deploy/requirements.lock": LOCK, "deploy/lab.yaml": "hosts: lab\n", "fabfile.py": "", **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "one")):
            subprocess.run(("git", *words), cwd=root, check=True, capture_output=True)
        return root

    return made


def archive(made: Bundle, name: str = "app/files.zip") -> dict[str, bytes]:
    path = next(part.path for part in made.parts if part.name == name)
    with zipfile.ZipFile(path) as opened:
        return {one: opened.read(one) for one in opened.namelist()}


FILES = {
    "deploy/config.yaml": "name: shop\napp: shop:app\nwritable: [instance]\n",
    "shop.py": "app = None\n",
    "templates/a.html": "<p>",
    "static/logo.svg": "<svg/>",
    ".gitignore": "build/\ninstance/\n.env\n",
}


def test_files_travel_as_git_has_them(make: Make) -> None:
    root = make(FILES)
    (root / "instance").mkdir()
    (root / "instance/shop.db").write_text("data")
    (root / ".env").write_text("SECRET=1")
    made = bundle.build(root)
    assert not made.dirty
    assert sorted(archive(made)) == [".raab/RECORD", "shop.py", "static/logo.svg", "templates/a.html"]
    names = {part.name for part in made.parts}
    assert names >= {runtime.file_name(), "gunicorn.py", "systemd/raab.service", "requirements.lock", "deploy/config.yaml"}
    assert "deploy/lab.yaml" not in names
    manifest = parse(json.dumps({**json.loads(made.manifest), "wheels": []}))
    assert (manifest.writable, manifest.variables) == (("instance",), ("FLASK_APP=shop:app",))
    assert (made.service, made.project) == ("shop", "shop")


def test_what_is_written_is_a_folder_or_a_file_by_what_lies_there_then_by_its_name(make: Make) -> None:
    names = ["instance.d", "store", "shop.db/", "data.v1/", "media", "log.txt", "inner.d"]
    root = make({**FILES, "deploy/config.yaml": f"name: shop\napp: shop:app\nwritable: {json.dumps(names)}\n"})
    (root / "instance.d").mkdir()
    (root / "src/inner.d").mkdir(parents=True)
    (root / "store").write_text("a file without an ending")
    (root / "shop.db").write_text("a file, whatever is said")
    manifest = json.loads(bundle.build(root).manifest)
    assert manifest["writable"] == [name.rstrip("/") for name in names]
    assert manifest["folders"] == ["instance.d", "data.v1", "media", "inner.d"]


def test_the_same_commit_is_the_same_bytes_and_another_raab_another_release(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(FILES)
    before = look(root).content
    assert look(root).content == before
    monkeypatch.setattr(runtime, "whole_digest", lambda: "another")
    assert look(root).content != before


def test_what_is_named_comes_along_though_git_ignores_it_and_does_not_make_it_dirty(make: Make) -> None:
    """As what `build` has made."""
    text = "name: shop\napp: shop:app\nbuild: ['mkdir -p collected && echo made > collected/all.css']\ninclude: [collected]\n"
    root = make({**FILES, "deploy/config.yaml": text, ".gitignore": "build/\ncollected/\n"})
    made = bundle.build(root)
    assert archive(made)["collected/all.css"] == b"made\n"
    assert not made.dirty
    (root / "new.py").write_text("")
    assert bundle.build(root).dirty


def test_a_build_that_fails_and_what_is_missing_are_said(make: Make) -> None:
    root = make({**FILES, "deploy/config.yaml": "name: shop\napp: shop:app\nbuild: ['echo no such theme; exit 3']\n"})
    with pytest.raises(RaabError, match=r"(?s)build: `echo no such theme; exit 3` ended with exit code 3, got:\nno such theme"):
        bundle.build(root)
    (root / "deploy/config.yaml").write_text("name: shop\napp: shop:app\ninclude: [nowhere]\n")
    with pytest.raises(RaabError, match=r"lacks nowhere\nhint: deploy/config\.yaml names it"):
        bundle.build(root)
    (root / "deploy/config.yaml").write_text("name: shop\napp: shop:app\n")
    (root / "deploy/requirements.lock").unlink()
    with pytest.raises(RaabError, match=r"lacks deploy/requirements\.lock\nhint: `fab lock` makes it"):
        bundle.build(root)


def test_every_problem_of_the_description_is_said_at_once(make: Make) -> None:
    """By file, line, path and value; a misspelt key has the one that was meant."""
    root = make({**FILES, "deploy/config.yaml": "name: Shop\napp: shop\nwriteable: [logs]\ninclude: [../other]\n"})
    with pytest.raises(RaabError) as raised:
        look(root)
    said = str(raised.value)
    for words in ("config.yaml:1", "config.yaml:2", "config.yaml:3", "config.yaml:4", "did you mean 'writable'?"):
        assert words in said, said


PACKAGE = {
    "setup.py": "from setuptools import setup\nsetup(name='shop', version='2.1', packages=['shop'], package_data={'shop': ['t/*']})\n",
    "shop/__init__.py": "app = None\n",
    "shop/t/a.html": "<p>",
    "migrations/one.py": "",
    "deploy/config.yaml": "name: shop\napp: shop:app\ninclude: [migrations]\n",
    ".gitignore": "build/\n",
}


def test_a_package_travels_as_its_wheel_and_what_lies_beside_it(make: Make) -> None:
    made = bundle.build(make(PACKAGE))
    wheel = archive(made, "app/shop-2.1-py3-none-any.whl")
    assert {"shop/__init__.py", "shop/t/a.html"} <= wheel.keys()
    assert sorted(archive(made)) == [".raab/RECORD", "migrations/one.py"]
    assert (made.version, made.project) == ("2.1", "shop")


def test_what_lies_beside_modules_in_the_root_comes_along(make: Make) -> None:
    """As setuptools-scm would have it by git's word, which the copy that is built from has not."""
    root = make(
        {
            **PACKAGE,
            "shop/ui/templates/index.html": "<p>",
            "shop/ui/static/a.css": "a {}",
            "shop/out.txt": "",
            "MANIFEST.in": "exclude shop/out.txt\n",
        }
    )
    wheel = archive(bundle.build(root), "app/shop-2.1-py3-none-any.whl")
    assert {"shop/ui/templates/index.html", "shop/ui/static/a.css", "shop/t/a.html"} <= wheel.keys()
    assert "shop/out.txt" not in wheel and "migrations/one.py" not in wheel


def test_a_wheel_without_the_application_is_none(make: Make) -> None:
    root = make({**PACKAGE, "site/__init__.py": "", "deploy/config.yaml": "name: shop\napp: site.wsgi:app\n"})
    with pytest.raises(RaabError, match=r"the project's wheel has no module site\.wsgi"):
        bundle.build(root)
    (root / "deploy/config.yaml").write_text("name: shop\napp: site.wsgi:app\ncode: files\n")
    assert "site/__init__.py" in archive(bundle.build(root))


def test_without_git_what_is_nobodys_stays_behind(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    others = {".env": "", ".idea/x.xml": "", "dist/x.whl": "", "venv/x.py": "", "node_modules/a.js": "", "shop/__pycache__/a.pyc": ""}
    for name, text in {
        **FILES,
        **others,
        "shop/a.py": "",
        "static/.well-known": "",
        "static/dist/a.js": "",
        "deploy/requirements.lock": LOCK,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert sorted(archive(bundle.build(root))) == [
        ".raab/RECORD", "shop.py", "shop/a.py", "static/.well-known", "static/dist/a.js", "static/logo.svg", "templates/a.html",
    ]  # fmt: skip


HIDING = {
    "raab.py": "",
    "handover.py": "",
    "yaml/__init__.py": "rename it",
    "msgspec.cpython-311-x86_64-linux-gnu.so": "",
    "gunicorn/__init__.py": "gunicorn.conf.py",
    "src/gevent/__init__.py": "",
    "src/gunicorn.py": "gunicorn.conf.py",
    "lib/gevent.py": None,
    "gunicorn.conf.py": None,
    "yaml/data.yaml": None,
}


@pytest.mark.parametrize("name", HIDING)
def test_a_module_that_hides_what_serves_it_is_refused(name: str, make: Make) -> None:
    """Before any host is asked; what can only be imported below another name, or not at all, hides nothing."""
    text = "name: shop\napp: shop:app\npython_path: [src, .]\n"
    root = make({**FILES, "deploy/config.yaml": text, name: ""})
    cure = HIDING[name]
    if cure is None:
        assert name in archive(bundle.build(root))
        return
    with pytest.raises(RaabError) as raised:
        bundle.build(root)
    assert raised.value.message == f"bundle: the project has a module that hides one which serves it, got {name}"
    assert raised.value.hint.startswith("rename it") and cure in raised.value.hint


def test_the_wheels_modules_hide_as_well(make: Make) -> None:
    root = make(
        {**PACKAGE, "setup.py": PACKAGE["setup.py"].replace("packages=['shop']", "packages=['shop', 'http1']"), "http1/__init__.py": ""}
    )
    with pytest.raises(RaabError, match=r"hides one which serves it, got http1/__init__\.py"):
        bundle.build(root)


def test_a_configuration_of_gunicorns_stays_behind(make: Make) -> None:
    """In the root it has the name of the package, which many a project lives with."""
    assert "gunicorn.py" not in archive(bundle.build(make({**FILES, "gunicorn.py": "workers = 2\n"})))
