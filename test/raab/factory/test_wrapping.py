"""An application of any framework, untouched, served by raab: what it gets is what raab's own modules get."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from ..conftest import Reached

FLASK = """
from flask import Flask, request
def create_app():
    app = Flask('shop')
    @app.get('/orders/<int:number>')
    def order(number): return request.headers['X-Request-ID']
    @app.post('/echo')
    def echo(): return str(len(request.get_data()))
    @app.get('/broken')
    def broken(): raise ValueError('broken')
    return app
"""
DJANGO = """
from django.conf import settings
settings.configure(SECRET_KEY='x', ROOT_URLCONF=__name__, ALLOWED_HOSTS=['*'], MIDDLEWARE=['django.middleware.common.CommonMiddleware'])
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path, re_path
def order(request, number): return HttpResponse(request.headers['X-Request-ID'])
def echo(request): return HttpResponse(str(len(request.body)))
def broken(request): raise ValueError('broken')
urlpatterns = [path('orders/<int:number>', order), path('echo', echo), re_path('^broken$', broken)]
application = get_wsgi_application()
"""
BOTTLE = """
import bottle
app = bottle.Bottle()
@app.get('/orders/<number:int>')
def order(number): return bottle.request.get_header('X-Request-ID')
@app.post('/echo')
def echo(): return str(len(bottle.request.body.read()))
@app.get('/broken')
def broken(): raise ValueError('broken')
"""
PLAIN = """
def application(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/broken': raise ValueError('broken')
    text = environ['HTTP_X_REQUEST_ID'] if path.startswith('/orders/') else str(len(environ['wsgi.input'].read()))
    status = '200 OK' if path.startswith('/orders/') or path == '/echo' else '404 Not Found'
    start_response(status, [('Content-Type', 'text/plain'), ('Content-Length', str(len(text)))])
    return [text.encode()]
"""
# A Flask project's check may use its application, as its commands may.
HEALTH = """
import os
{}
def check(): return 'sold out' if os.path.exists(os.environ['SOLD_OUT']) {} else None
"""
MIDDLEWARE = """
def Stamp(app):
    def serve(environ, start_response):
        return app(environ, lambda status, headers, *rest: start_response(status, [*headers, ('X-Stamp', 'yes')], *rest))
    return serve
"""


class Project(NamedTuple):
    """Its module, its `app`, and the route of an order as raab tells it."""

    text: str
    app: str
    route: str


PROJECTS = {
    "flask": Project(FLASK, "shop:create_app()", "/orders/<int:number>"),
    "django": Project(DJANGO, "shop:application", "/orders/<int:number>"),
    "bottle": Project(BOTTLE, "shop:app", ""),
    "plain": Project(PLAIN, "shop:application", ""),
}
Serve = Callable[..., AbstractContextManager["Reached"]]


@pytest.fixture(scope="module", params=PROJECTS)
def shop(request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Reached, Path]]:
    """A project, where it is served, and its runtime directory."""
    project, run = PROJECTS[request.param], tmp_path_factory.mktemp("run")
    health = HEALTH.format(*(("from flask import current_app", "and current_app.name == 'shop'") if project.text == FLASK else ("", "")))
    files = {"shop.py": project.text, "shophealth.py": health, "stamp.py": MIDDLEWARE}
    with serve(
        files,
        RUNTIME_DIRECTORY=str(run),
        SOLD_OUT=str(run / "sold-out"),
        RAAB_PROJECT__APP=project.app,
        RAAB_PROJECT__READY="shophealth:check",
        RAAB_PROJECT__MIDDLEWARE="['stamp:Stamp']",
        RAAB_PROJECT__MOUNTS="{/old: 'shop:application'}" if project.app == "shop:application" else "{}",
        RAAB_SERVER__FORWARDED_ALLOW_IPS="[127.0.0.1]",
        RAAB_SECURITY__HOSTS="[shop.example]",
        RAAB_LIMITS__BODY="1000",
    ) as server:
        yield project, server, run


def ask(server: Reached, first: str, *fields: str, body: str = "", host: str = "shop.example") -> tuple[int, str, str]:
    """Status, head in lower case, and body."""
    said = server.ask("\r\n".join([f"{first} HTTP/1.1", f"Host: {host}", "Connection: close", *fields, "", body]).encode()).decode()
    head, _, text = said.partition("\r\n\r\n")
    return int(head.split()[1]), head.lower(), text


def line(server: Reached, path: str) -> dict[str, object]:
    """The access line of the last request for `path`, which comes a tenth of a second later."""
    for _ in range(100):
        said = [json.loads(text[3:]) for text in server.log.read_text().splitlines() if text.startswith("<6>{") and "raab.access" in text]
        if found := [one for one in said if one["path"] == path]:
            return dict(found[-1])
        time.sleep(0.1)
    raise AssertionError(server.log.read_text()[-2000:])


def test_a_request_has_its_id_its_line_and_its_route(shop: tuple[Project, Reached, Path]) -> None:
    """The id comes from the proxy in front and reaches the application; middlewares and the headers of security stand around it."""
    project, server, _ = shop
    status, head, text = ask(server, "GET /orders/7?secret=1", "X-Request-ID: from-the-proxy")
    assert (status, text) == (200, "from-the-proxy")
    for field in ("x-request-id: from-the-proxy", "x-stamp: yes", "x-content-type-options: nosniff"):
        assert f"\r\n{field}" in head
    said = line(server, "/orders/7")
    assert (said["request"], said["method"], said["status"], said["route"]) == ("from-the-proxy", "GET", 200, project.route)


def test_what_fails_is_told(shop: tuple[Project, Reached, Path]) -> None:
    project, server, _ = shop
    assert ask(server, "GET /broken")[0] == 500
    said = line(server, "/broken")
    assert (said["status"], said["route"]) == (500, {FLASK: "/broken", DJANGO: "/broken$"}.get(project.text, ""))
    assert ask(server, "GET /nowhere")[0] == 404
    assert line(server, "/nowhere")["route"] == ""


def test_limits_hold(shop: tuple[Project, Reached, Path]) -> None:
    """Whether the length is told or not; and a body in chunks is a body, also to Django, which goes by the length alone
    (django/core/handlers/wsgi.py, WSGIRequest)."""
    _, server, _ = shop
    assert ask(server, "POST /echo", "Content-Length: 1000", body="x" * 1000)[::2] == (200, "1000")
    assert ask(server, "POST /echo", "Content-Length: 1001", body="x" * 1001)[0] == 413
    chunk = "fa\r\n" + "x" * 250 + "\r\n"
    assert ask(server, "POST /echo", "Transfer-Encoding: chunked", body=chunk * 5 + "0\r\n\r\n")[0] == 413
    status, _, text = ask(server, "POST /echo", "Transfer-Encoding: chunked", body=chunk * 4 + "0\r\n\r\n")
    assert (status, text) == (200, "1000")
    assert ask(server, "POST /echo", "Transfer-Encoding: chunked", body=chunk + "xx\r\n")[0] == 400
    assert ask(server, "GET /orders/7", host="elsewhere.example")[0] == 421


def test_its_own_check_decides(shop: tuple[Project, Reached, Path]) -> None:
    """The public gets a word, the operator the reason, and the project's own URLs cannot stand in the way."""
    _, server, run = shop
    assert ask(server, "GET /livez", host="10.0.0.1")[::2] == (200, "ok\n")
    assert ask(server, "GET /readyz")[::2] == (200, "ok\n")
    assert ask(server, "POST /livez")[0] == 405
    (run / "sold-out").touch()
    try:
        assert ask(server, "GET /readyz")[::2] == (503, "not ready\n")
        assert admin(run, "/readyz?verbose") == (503, "drain: ok\nshophealth:check: sold out\nnot ready\n")
        assert "shophealth:check: sold out" in server.log.read_text()
    finally:
        (run / "sold-out").unlink()


def test_requests_are_counted_by_route(shop: tuple[Project, Reached, Path]) -> None:
    project, server, run = shop
    ask(server, "GET /orders/8")
    status, text = admin(run, "/metrics")
    assert status == 200
    assert f'route="{project.route}"' in text.replace("\\", "")
    assert admin(run, "/-/release")[0] == 200


def test_it_may_be_mounted_as_well(shop: tuple[Project, Reached, Path]) -> None:
    """Its routes are told below the prefix."""
    project, server, _ = shop
    if project.app != "shop:application":
        return
    assert ask(server, "GET /old/orders/7")[0] == 200
    assert line(server, "/old/orders/7")["route"] == (f"/old{project.route}" if project.route else "/old/*")


def admin(run: Path, target: str) -> tuple[int, str]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(15)
        client.connect(str(run / "admin"))
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    return int(said.split()[1]), said.partition("\r\n\r\n")[2]


WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, *_):
        if name.partition('.')[0] in ('flask', 'werkzeug', 'jinja2', 'itsdangerous', 'click', 'blinker', 'markupsafe', 'django'):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import shop
from raab.asked import check, command, config, trial
from raab.served.application import application
status = []
environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/orders/7', 'REMOTE_ADDR': '', 'HTTP_HOST': 'a', 'wsgi.url_scheme': 'http'}
print(b''.join(application(environ, lambda told, headers: status.append(told))).decode(), *status)
"""


def test_it_needs_no_framework(tmp_path: Path) -> None:
    """Neither Flask nor what comes with it is there for a project that does not have it."""
    (tmp_path / "shop.py").write_text(PLAIN)
    environ = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "RAAB_PROJECT__APP": "shop:application",
        "ADMIN_LISTENERS": f"unix:{tmp_path}/admin",
    }
    environ |= {"RAAB_PROJECT__MOUNTS": "{/elsewhere: 'http://127.0.0.1:1', /here: 'shop:application'}", "RAAB_ENVIRONMENT": "production"}
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["200", "OK"]
