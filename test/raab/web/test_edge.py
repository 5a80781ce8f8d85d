"""What happens to every request."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import create_environ

from raab.web.edge import access
from raab.web.edge.access import AccessLog, Line, column_line, json_line
from raab.web.edge.edge import Edge

MakeApp = Callable[..., Flask]
PROXY = {"RAAB_SERVER__FORWARDED_ALLOW_IPS": "[10.0.0.0/8]"}
VIEWS = """
import logging
from flask import Blueprint, Response, request
blueprint = Blueprint('v', __name__)
@blueprint.get('/who')
def who(): return {'peer': request.remote_addr, 'scheme': request.scheme}
@blueprint.get('/stream')
def stream(): return Response(iter([b'ab', b'cd', b'e']))
@blueprint.get('/framed')
def framed(): return Response('x', headers={'x-frame-options': 'SAMEORIGIN'})
@blueprint.get('/log')
def log():
    logging.getLogger('shop').warning('hello')
    return 'x'
"""


@pytest.fixture
def shop(make_app: MakeApp) -> Callable[..., Flask]:
    def make(**environ: str) -> Flask:
        return make_app(files={"shop/__init__.py": "", "shop/v.py": VIEWS}, RAAB_PROJECT__MODULES="[raab.modules, shop]", **environ)

    return make


def lines_of(app: Flask) -> list[Line]:
    """Puts an access log into the application that keeps its lines."""
    kept: list[Line] = []

    def keep(line: Line) -> str:
        kept.append(line)
        return json_line(line)

    assert isinstance(app.wsgi_app, Edge)
    app.wsgi_app.rules = replace(app.wsgi_app.rules, access=AccessLog(io.StringIO(), keep, batch=False))
    return kept


def test_each_request_has_an_id_of_its_own(make_app: MakeApp) -> None:
    """Returned to the client; a client that no proxy vouches for cannot choose it."""
    client = make_app().test_client()
    ids = [client.get("/livez", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch("[0-9a-f]{20}", one) for one in ids)


@pytest.mark.parametrize(("given", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("", False), ('"}', False)])
def test_a_trusted_proxys_id_is_kept(make_app: MakeApp, given: str, kept: bool) -> None:
    """When it is sound: it stands in log lines and headers."""
    client = make_app(**PROXY).test_client()
    response = client.get("/livez", headers={"X-Request-ID": given}, environ_base={"REMOTE_ADDR": "10.0.0.1"})
    assert (response.headers["X-Request-ID"] == given) is kept


@pytest.mark.parametrize(
    ("peer", "forwarded", "proto", "seen"),
    [
        ("10.0.0.1", "1.2.3.4", "https", ("1.2.3.4", "https")),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "http, https", ("1.2.3.4", "https")),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "", ("10.0.0.3", "http")),
        ("10.0.0.1", "1.2.3.4, nonsense", "gopher", ("10.0.0.1", "http")),
        ("10.0.0.1", "", "", ("10.0.0.1", "http")),
        ("5.5.5.5", "1.2.3.4", "https", ("5.5.5.5", "http")),
        ("", "1.2.3.4", "https", ("", "http")),
    ],
)
def test_a_proxy_is_believed_by_list(shop: MakeApp, peer: str, forwarded: str, proto: str, seen: tuple[str, str]) -> None:
    """The last address that no trusted proxy has; what stands further left the client may have made up."""
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto}
    said = shop(**PROXY).test_client().get("/who", headers=headers, environ_base={"REMOTE_ADDR": peer}).get_json()
    assert (said["peer"] or "", said["scheme"]) == seen


def test_security_headers_are_added_but_not_over_a_views_own(shop: MakeApp) -> None:
    """A view knows better; an empty setting leaves one out."""
    client = shop(RAAB_SECURITY__HEADERS="{X-Frame-Options: DENY, X-A: '', X-B: b}").test_client()
    headers = client.get("/who").headers
    assert (headers["X-Frame-Options"], headers["X-B"], "X-A" in headers) == ("DENY", "b", False)
    own = client.get("/framed").headers
    assert (own.getlist("X-Frame-Options"), own["X-B"]) == (["SAMEORIGIN"], "b")


@pytest.mark.parametrize(
    ("peer", "path", "header", "proved"),
    [
        ("127.0.0.1", "/livez", {"Raab-Proof": "TOKEN"}, True),
        ("::1", "/livez", {"Raab-Proof": "TOKEN"}, True),
        ("", "/livez", {"Raab-Proof": "TOKEN"}, True),
        ("10.0.0.1", "/livez", {"Raab-Proof": "TOKEN", "X-Forwarded-For": "127.0.0.1"}, False),
        ("8.8.8.8", "/livez", {"Raab-Proof": "TOKEN"}, False),
        ("127.0.0.1", "/livez", {}, False),
        ("127.0.0.1", "/", {"Raab-Proof": "TOKEN"}, False),
        ("127.0.0.1", "/livez", {"Raab-Proof": "1"}, False),
        ("127.0.0.1", "/livez", {"Raab-Proof": ""}, False),
        ("127.0.0.1", "/livez", {"Raab-Proof": "f" * 64}, False),
        ("127.0.0.1", "/livez", {"Raab-Proof": "TOKEN,TOKEN"}, False),
    ],
)
def test_the_proof_is_for_the_activation_at_work(
    make_app: MakeApp, token: str, peer: str, path: str, header: dict[str, str], proved: bool
) -> None:
    """Release and worker, asked for from loopback, whatever a proxy says about whom it speaks for, or passes on of its clients' headers."""
    sent = {name: value.replace("TOKEN", token) for name, value in header.items()}
    headers = make_app(**PROXY).test_client().get(path, headers=sent, environ_base={"REMOTE_ADDR": peer}).headers
    assert headers.get("Raab-Worker") == (str(os.getpid()) if proved else None)
    assert headers.get("Raab-Release") == ("development" if proved else None)


def test_without_an_activation_nobody_is_told(make_app: MakeApp, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the token of one that is over, nor where there is no runtime directory to look beside."""
    client = make_app().test_client()
    Path(f"{os.environ['RUNTIME_DIRECTORY']}-proof").unlink()
    assert "Raab-Release" not in client.get("/livez", headers={"Raab-Proof": token}).headers
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert "Raab-Release" not in client.get("/livez", headers={"Raab-Proof": token}).headers


def test_each_request_has_one_access_line(shop: MakeApp) -> None:
    """With the route as it was declared, the bytes as they were sent, and the id that the client got."""
    app = shop(**PROXY)
    lines = lines_of(app)
    client = app.test_client()
    proxied = {"headers": {"X-Forwarded-For": "1.2.3.4"}, "environ_base": {"REMOTE_ADDR": "10.0.0.1"}}
    # `buffered` is how the test client closes a response, which is when the line is written.
    response = client.get("/greeting/Ada?secret=1", buffered=True, **proxied)
    client.get("/nothing", buffered=True)
    client.get("/stream", buffered=True)
    first, second, third = lines
    assert first[1:6] == (response.headers["X-Request-ID"], "GET", "/greeting/Ada", "/greeting/<name>", 200)
    assert (first.bytes, first.peer, first.seconds > 0) == (len(response.data), "1.2.3.4", True)
    assert (second.route, second.status, second.path) == ("", 404, "/nothing")
    assert third.bytes == 5


def test_the_line_of_a_request_that_broke_off_says_so(make_app: MakeApp) -> None:
    """A foreign application that raises gets a line with 500, and the server the exception."""
    app = make_app(files={"legacy.py": "def application(e, s): raise ValueError('x')"}, RAAB_PROJECT__MOUNTS="{/l: 'legacy:application'}")
    lines = lines_of(app)
    # As a server does it: whatever happens, it closes the answer (PEP 3333).
    answer = app.wsgi_app(create_environ("/l"), lambda *_: bytearray().extend)
    with pytest.raises(ValueError, match="x"), closing(answer):  # type: ignore[type-var]
        next(iter(answer))
    assert [(line.status, line.route) for line in lines] == [(500, "/l/*")]


def test_the_servers_own_check_is_no_request(make_app: MakeApp) -> None:
    """A worker asks itself before it serves; nobody wants to read that."""
    app = make_app()
    lines = lines_of(app)
    app.test_client().get("/readyz", environ_base={"handover.check": True})
    assert lines == []


def test_the_request_id_is_in_the_applications_lines(shop: MakeApp) -> None:
    """So that one search finds all that happened."""
    from raab.web.context import request_id

    app = shop()
    seen: list[str] = []
    app.before_request(lambda: seen.append(request_id.get()))
    assert app.test_client().get("/log").headers["X-Request-ID"] == seen[0]


EVIL = '/x"}\r\n<0>{"forged": 1}\x1b[2J\u2028'


def test_a_line_cannot_be_forged() -> None:
    """Whatever the path and the method hold."""
    line = Line(1_790_000_000.25, "id", "GE\nT", EVIL, "/<p>", 200, 0.0123, 5, "1.2.3.4")
    said = json_line(line)
    assert said.count("\n") == 1
    assert said.startswith('<6>{"time": "2026-09-21T14:13:20.250Z", "level": "INFO", "logger": "raab.access", "request": "id"')
    assert json.loads(said[3:])["path"] == EVIL
    columns = column_line(line)
    assert columns.count("\n") == 1
    assert columns[:-1].isprintable()


def test_lines_are_written_in_batches() -> None:
    """Within a tenth of a second, or when there are many."""
    stream = io.StringIO()
    log = AccessLog(stream, json_line, batch=True)
    line = Line(1.0, "id", "GET", "/", "/", 200, 0.1, 5, "")
    log.write(line)
    assert stream.getvalue() == ""
    assert eventually(lambda: stream.getvalue().count("\n") == 1)
    for _ in range(access._LENGTH):
        log.write(line)
    assert stream.getvalue().count("\n") >= access._LENGTH
    log.write(line)
    log.flush()
    assert eventually(lambda: stream.getvalue().count("\n") == access._LENGTH + 2)


def eventually(done: Callable[[], bool]) -> bool:
    import time

    end = time.monotonic() + 5
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
    return done()


def test_a_long_path_is_cut() -> None:
    """journald would break the line in two."""
    line = Line(1.0, "id", "GET", "/" + "\u2028" * 60_000, "", 400, 0.0, 5, "", refused="\n<0>" * 30_000)
    said = json_line(line)
    assert len(said) < 48 * 1024
    assert json.loads(said[3:])["path"].endswith("characters cut ...]")


def test_a_drained_host_makes_no_errors(make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer asks for /readyz every second; that it is told to go says nothing of the release that bakes."""
    from raab.metrics.reading import Tally, read

    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    client = make_app().test_client()
    (tmp_path / "drain").touch()
    assert client.get("/readyz", buffered=True).status_code == 503
    assert client.get("/nothing", buffered=True).status_code == 404
    assert read(tmp_path / "metrics").workers == {os.getpid(): Tally(1, 0)}


def test_what_a_worker_forks_writes_none_of_its_lines() -> None:
    """A fork has a copy of what has gathered, and would write it once more when it ends."""
    stream = io.StringIO()
    log = AccessLog(stream, json_line, batch=True)
    log.write(Line(1.0, "id", "GET", "/", "/", 200, 0.1, 5, ""))
    pid = os.fork()
    if pid == 0:
        log.flush()
        os._exit(len(stream.getvalue()) > 0)
    assert os.waitpid(pid, 0)[1] == 0
    log.flush()
    assert stream.getvalue().count("\n") == 1


def test_requests_are_counted_by_route(shop: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never by the raw path; the server's own check is not counted."""
    from raab.metrics.reading import read

    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    client = shop().test_client()
    for path in ("/greeting/a", "/greeting/b", "/stream", "/nothing/1", "/nothing/2"):
        client.get(path, buffered=True)
    client.get("/readyz", environ_base={"handover.check": True}, buffered=True)
    reading = read(tmp_path / "metrics")
    counted = {(series.name.route, series.name.status): (series.total, series.bytes) for series in reading.series}
    assert counted["/greeting/<name>", 200][0] == 2
    assert counted["/stream", 200] == (1, 5)
    assert counted["", 404][0] == 2
    assert set(counted) == {("/greeting/<name>", 200), ("/stream", 200), ("", 404)}
    assert reading.in_flight == 0
