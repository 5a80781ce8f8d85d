"""What the admin listener answers, asked without a server."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from raab.admin import release, with_admin
from raab.admin.pages import Pages
from raab.host import journal
from raab.host.paths import Paths
from raab.release import Release

MakeApp = Callable[..., Flask]
CART = "from flask import Blueprint, current_app\nblueprint = Blueprint('cart', __name__)\ndef ready(): {}\n"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


def ask(app: Flask, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    found: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path.partition("?")[0], "QUERY_STRING": path.partition("?")[2]}

    def start(status: str, headers: Sequence[tuple[str, str]], error: object = None) -> Callable[[bytes], object]:
        found.extend((int(status[:3]), dict(headers)))
        return io.BytesIO().write

    body = Pages(app.extensions["raab"].checks)(environ, start)
    return found[0], found[1], b"".join(body).decode()


def test_verbose_readiness_names_each_check(make_app: MakeApp, runtime: Path) -> None:
    """A line for each, the verdict last; without `verbose` the verdict alone."""
    files = {"shop/__init__.py": "", "shop/cart.py": CART.format("return 'the\\ndatabase does not answer' if current_app else None")}
    app = make_app(files=files, RAAB_PROJECT__MODULES="[raab.modules, shop]")
    status, headers, text = ask(app, "/readyz?verbose")
    assert (status, headers["Cache-Control"]) == (503, "no-store")
    assert text == "drain: ok\nraab.modules.greeting: ok\nshop.cart: the database does not answer\nnot ready\n"
    assert ask(app, "/readyz")[::2] == (503, "not ready\n")
    assert ask(app, "/livez")[::2] == (200, "ok\n")


def test_verbose_readiness_tells_the_drain(make_app: MakeApp, runtime: Path) -> None:
    """By the word that the public port says, and how to end it."""
    app = make_app()
    assert ask(app, "/readyz?x&verbose=1")[::2] == (200, "drain: ok\nraab.modules.greeting: ok\nok\n")
    (runtime / "drain").touch()
    status, _, text = ask(app, "/readyz?verbose=true")
    assert status == 503
    assert text == "drain: `raab -s shop drain` was typed here, `raab -s shop undrain` ends it\nraab.modules.greeting: ok\ndraining\n"


def test_only_its_own_paths_and_only_reading(make_app: MakeApp, runtime: Path) -> None:
    """404 before 405; HEAD is a GET without a body."""
    app = make_app()
    assert ask(app, "/")[0] == ask(app, "/greeting/x")[0] == ask(app, "/metrics/")[0] == ask(app, "", "POST")[0] == 404
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "get"):
        status, headers, _ = ask(app, "/livez", method)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
    status, headers, text = ask(app, "/readyz?verbose", "HEAD")
    assert (status, text) == (200, "") and int(headers["Content-Length"]) > 20


def test_without_a_master_each_page_says_what_it_can(make_app: MakeApp, runtime: Path) -> None:
    """Metrics are what the workers counted, and that nothing runs; workers cannot be told."""
    app = make_app()
    status, headers, text = ask(app, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert 'raab_up{service="shop"} 0\n' in text and 'raab_http_requests_in_flight{service="shop"} 0\n' in text
    status, _, text = ask(app, "/-/workers")
    assert status == 503 and text.endswith("hint: systemctl status shop\n")


def test_a_release_tells_who_put_it_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last activation that did; one that failed did not, and neither did another release's."""
    paths = Paths("raab", opt=tmp_path)
    paths.root.mkdir()
    monkeypatch.setattr(release, "current_release", lambda: Release("new", "1.2", "c0ffee"))
    entry = {"release": "new", "action": "deploy", "machine": "laptop"}
    journal.append(paths.journal, {**entry, "verdict": "serving", "who": "ann", "time": 1.5})
    journal.append(paths.journal, {**entry, "verdict": "serving", "who": "bob", "time": 86400, "action": "rollback"})
    journal.append(paths.journal, {**entry, "verdict": "failed", "who": "eve", "time": 90000})
    journal.append(paths.journal, {**entry, "verdict": "serving", "who": "eve", "time": 90001, "release": "newer"})
    told = release.described(paths)
    assert told["dependencies"]["Flask"] and "raab" not in told["dependencies"]
    assert {key: told[key] for key in told if key != "dependencies"} == {
        "id": "new", "version": "1.2", "commit": "c0ffee", "service": "raab",
        "action": "rollback", "who": "bob", "machine": "laptop", "when": "1970-01-02T00:00:00+00:00",
    }  # fmt: skip


def test_a_release_without_a_past_is_told_too(make_app: MakeApp) -> None:
    """A checkout, or a release that no deploy brought."""
    status, headers, text = ask(make_app(), "/-/release")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(text)["id"] == "development" and json.loads(text)["who"] is None


class Socket:
    """The server's side of a connection, as far as it is asked."""

    def __init__(self, name: object) -> None:
        self._name = name

    def getsockname(self) -> object:
        return self._name


@pytest.mark.parametrize(
    ("peer", "socket", "admin"),
    [
        ("", "/run/raab/admin", True),
        ("127.0.0.1", ("127.0.0.1", 9100), True),
        ("127.0.0.2", ("127.0.0.1", 9100), True),
        ("", "/run/raab/http", False),
        ("127.0.0.1", ("127.0.0.1", 8000), False),
        ("10.0.0.1", ("10.0.0.2", 9100), False),
        ("127.0.0.1", None, False),
    ],
)
def test_the_connection_says_whom_it_is_for(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, peer: str, socket: object, admin: bool
) -> None:
    """The listener's address decides, and nothing that a client sends."""
    monkeypatch.setenv("ADMIN_LISTENERS", "unix:/run/raab/admin 127.0.0.1:9100")
    environ = {"REMOTE_ADDR": peer, **({"gunicorn.socket": Socket(socket)} if socket else {})}
    client = Client(with_admin(make_app(), ()))
    response = client.get("/-/release", environ_overrides=environ, headers={"Host": "127.0.0.1:9100"})
    assert response.status_code == (200 if admin else 404)
    assert ("X-Request-ID" in response.headers) is not admin
    assert client.get("/", environ_overrides=environ).status_code == (404 if admin else 200)


def test_without_a_listener_nothing_stands_before_the_application(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The development server, and whatever else runs wsgi.py."""
    monkeypatch.delenv("ADMIN_LISTENERS", raising=False)
    app = make_app()
    assert with_admin(app, ()) is app
