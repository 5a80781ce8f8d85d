"""A project's application by its name, and where it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.served import place
from raab.served.loading import load

MODULE = """
def wsgi(environ, start_response): return [b""]
def create(config=None): return wsgi
def create_for(config): return wsgi
class App:
    def __call__(self, environ, start_response): return [b""]
class Deep: server = App()
async def asgi(scope, receive, send): pass
class Asgi:
    async def __call__(self, scope, receive, send): pass
ready, asynchronous, number = App(), Asgi(), 7
def broken(): raise ValueError("no database")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its name, another one for each test."""
    name = f"served_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize("name", ["wsgi", "create", "create()", "App", "App()", "ready", "Deep.server"])
def test_what_is_named_is_the_application_or_makes_it(name: str, module: str) -> None:
    """A factory with or without its brackets: no WSGI application can be called with nothing (PEP 3333)."""
    assert load(f"{module}:{name}")({}, lambda *words: None) == [b""]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "has no such name, got nothing"),
        ("number", "is no WSGI application, got 7"),
        ("asgi", "is an ASGI application"),
        ("asynchronous", "is an ASGI application"),
        ("broken()", "raised ValueError, got no database"),
    ],
)
def test_what_is_none_is_said(name: str, said: str, module: str) -> None:
    with pytest.raises(RaabError) as raised:
        load(f"{module}:{name}")
    assert said in raised.value.message and raised.value.message.startswith("config.yaml: app: ")


def test_it_runs_in_its_root_with_its_folders_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the release's own path: the link to it moves on."""
    real = tmp_path / "releases/one"
    (real / "app/src").mkdir(parents=True)
    (real / "gunicorn.py").write_text("")
    monkeypatch.setattr(sys, "prefix", str(real / "venv"))
    monkeypatch.setattr(sys, "path", ["/elsewhere", str(real / "app")])
    monkeypatch.chdir(tmp_path)
    place.enter(["src", "."])
    assert Path.cwd() == real / "app"
    assert sys.path == [str(real / "app/src"), str(real / "app"), "/elsewhere"]
