"""What `app` and `ready` in a project's config.yaml may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.served.loading import load, load_check

KINDS = """
from flask import Flask
def plain(environ, start_response):
    start_response('200 OK', [])
    return [b'answer']
def factory(): return plain
def with_defaults(name='shop', *more, debug=False): return plain
class Object:
    def __call__(self, environ, start_response): return plain(environ, start_response)
class Answers:
    def __init__(self, environ, start_response): self.start = start_response
    def __iter__(self):
        self.start('200 OK', [])
        yield b'answer'
app = Object()
flask = Flask('shop')
flask.add_url_rule('/', view_func=lambda: 'answer')
class Holder: inner = app
def broken(): raise SystemExit(3)
def makes_none(): return None
number = 3
async def asgi(scope, receive, send): ...
class Asgi:
    async def __call__(self, scope, receive, send): ...
asynchronous = Asgi()
def check(): return None
"""
FOUND = ("plain", "factory", "factory()", "with_defaults", "with_defaults()", "app", "Object", "Object()", "Answers", "flask",
         "flask.wsgi_app", "Holder.inner")  # fmt: skip


@pytest.fixture
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with something of each kind, of a name of its own: modules are kept."""
    name = f"kinds_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(KINDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize("name", FOUND)
def test_every_kind_of_application_is_found(kinds: str, name: str) -> None:
    """A function that takes environ and start_response is one, a function that takes nothing makes one."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    assert b"".join(load(f"{kinds}:{name}")(environ, lambda *_: bytearray().extend)) == b"answer"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "has no such name, got nothing"),
        ("Holder.nothing", "has no such name, got Holder.nothing"),
        ("broken", "raised SystemExit, got 3"),
        ("makes_none", "is no WSGI application, got None"),
        ("number", "is no WSGI application, got 3"),
        ("asgi", "is an ASGI application"),
        ("asynchronous", "is an ASGI application"),
    ],
)
def test_what_is_none_is_told(kinds: str, name: str, said: str) -> None:
    with pytest.raises(RaabError, match=said) as caught:
        load(f"{kinds}:{name}")
    assert str(caught.value).startswith("config.yaml: app: ")


def test_a_check_is_a_function(kinds: str) -> None:
    assert load_check(f"{kinds}:check")() is None
    for name, said in (("nothing", "has no such name"), ("number", "cannot be called, got 3")):
        with pytest.raises(RaabError, match=said) as caught:
            load_check(f"{kinds}:{name}")
        assert str(caught.value).startswith("config.yaml: ready: ")
