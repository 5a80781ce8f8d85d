"""Errors as the client can read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

MakeApp = Callable[..., Flask]
VIEWS = """
from flask import Blueprint, Response, abort, request
blueprint = Blueprint('v', __name__)
@blueprint.get('/crash')
def crash(): raise ValueError('a secret detail')
@blueprint.post('/form')
def form(): return request.form['x']
@blueprint.post('/json')
def deep(): return {'depth': len(str(request.get_json()))}
@blueprint.get('/own')
def own(): abort(Response('mine', 418))
@blueprint.get('/later')
def later(): abort(503, '<b>later</b>')
"""


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app(files={"shop/__init__.py": "", "shop/v.py": VIEWS}, RAAB_PROJECT__MODULES="[shop]", RAAB_LIMITS__BODY="100")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/problem+json", "", "application/json, text/html;q=0.5"])
def test_programs_get_problem_details(app: Flask, accept: str) -> None:
    """RFC 9457, with the request's id to look for in the log."""
    response = app.test_client().get("/nothing", headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    problem = response.get_json()
    assert (problem["title"], problem["status"], problem["instance"]) == ("Not Found", 404, "/nothing")
    assert problem["request_id"] == response.headers["X-Request-ID"]


def test_people_get_a_page(app: Flask) -> None:
    """With whatever is in the message escaped."""
    response = app.test_client().get("/later", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert "&lt;b&gt;later&lt;/b&gt;" in response.text


@pytest.mark.parametrize(("accept", "kind"), [("*/*", "application/problem+json"), ("text/html,*/*;q=0.8", "text/html")])
def test_the_edges_own_refusals_are_for_both_too(app: Flask, accept: str, kind: str) -> None:
    """A body that is too large is refused before any application sees it."""
    response = app.test_client().post("/nothing", data=b"x" * 101, headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (413, kind)
    assert response.headers["X-Request-ID"] in response.text


def test_a_crash_tells_nothing(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """The exception stands in the log, with its traceback."""
    response = app.test_client().get("/crash")
    assert response.status_code == 500
    assert "secret detail" not in response.text
    assert "a secret detail" in caplog.text


def test_an_errors_own_headers_stay(app: Flask) -> None:
    """405 says what is allowed."""
    assert "POST" in app.test_client().get("/form").headers["Allow"]


def test_an_answer_that_a_view_aborts_with_is_its_own(app: Flask) -> None:
    """Nothing is put in its place."""
    response = app.test_client().get("/own")
    assert (response.status_code, response.text) == (418, "mine")


def test_a_body_that_is_too_large_ends_the_connection(app: Flask) -> None:
    """413, and the rest of the body is not waited for."""
    response = app.test_client().post("/form", data={"x": "y" * 200})
    assert (response.status_code, response.headers["Connection"]) == (413, "close")


def test_json_that_is_nested_too_deep_is_the_clients_error(make_app: MakeApp) -> None:
    """As any other that cannot be read; what is nested as deep as anybody needs is read."""
    client = make_app(files={"shop/__init__.py": "", "shop/v.py": VIEWS}, RAAB_PROJECT__MODULES="[shop]").test_client()
    answers = [client.post("/json", data="[" * depth + "]" * depth, content_type="application/json") for depth in (100, 100_000)]
    assert [answer.status_code for answer in answers] == [200, 400]
