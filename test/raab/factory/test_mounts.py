"""Other WSGI applications in the same process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from raab.errors import RaabError

MakeApp = Callable[..., Flask]
ECHO = """
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}|{environ['HTTP_X_REQUEST_ID']}".encode()]
HEADERS = [('Content-Type', 'text/plain')]
def frugal(environ, start_response):
    start_response('200 OK', HEADERS)
    return [str(len(HEADERS)).encode()]
def make(): return application
def broken(): raise ValueError('no database')
number = 3
"""
# As many projects do it; logging.config disables by default all loggers that it is not told of.
LOGGING = """
import logging.config
handlers = {'mine': {'class': 'logging.StreamHandler'}}
logging.config.dictConfig({'version': 1, 'handlers': handlers, 'root': {'handlers': ['mine'], 'level': 50}})
def application(environ, start_response):
    logging.getLogger('shop').warning('hello')
    logging.getLogger('raab.web').warning('hello')
    start_response('200 OK', [])
    return [b'']
"""


def test_a_mount_answers_below_its_prefix(make_app: MakeApp) -> None:
    """It sees its prefix as SCRIPT_NAME, and raab's request id; raab's own routes stay."""
    client = make_app(files={"legacy.py": ECHO}, RAAB_PROJECT__MOUNTS="{/legacy: 'legacy:application'}").test_client()
    response = client.get("/legacy/a/b")
    assert response.text == f"/legacy|/a/b|{response.headers['X-Request-ID']}"
    assert client.get("/").get_json()["service"] == "raab"
    assert client.get("/legacyish").status_code == 404


def test_a_mount_at_the_root_takes_all_but_health(make_app: MakeApp) -> None:
    """An existing project runs as it is; a longer prefix still wins, and a factory is called."""
    mounts = "{/: 'legacy:make()', /api: 'legacy:application'}"
    client = make_app(files={"legacy.py": ECHO}, RAAB_PROJECT__MOUNTS=mounts).test_client()
    assert client.get("/x").text.startswith("|/x|")
    assert client.get("/").text.startswith("|/|")
    assert client.get("/api/x").text.startswith("/api|/x|")
    assert client.get("/livez").text == "ok\n"
    assert client.get("/readyz").text == "ok\n"


def test_an_application_may_use_one_list_of_headers_for_ever(make_app: MakeApp) -> None:
    """Nothing is written into it: neither do headers gather there, nor does one request's id answer another."""
    client = make_app(files={"legacy.py": ECHO}, RAAB_PROJECT__MOUNTS="{/a: 'legacy:frugal'}").test_client()
    answers = [client.get("/a") for _ in range(3)]
    assert [answer.text for answer in answers] == ["1", "1", "1"]
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 3


def test_a_mount_cannot_take_the_log_away(tmp_path: Path) -> None:
    """One that sets up the process's logging at import: its lines, raab's and the access line still come as raab writes them."""
    (tmp_path / "legacy.py").write_text(LOGGING)
    code = "from raab import create_app; create_app().test_client().get('/', buffered=True)"
    environ = {
        **os.environ,
        "RAAB_ENVIRONMENT": "production",
        "PYTHONPATH": str(tmp_path),
        "RAAB_PROJECT__MOUNTS": "{/: legacy:application}",
    }
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environ)
    assert [json.loads(line[3:])["logger"] for line in done.stderr.splitlines()] == ["shop", "raab.web", "raab.access"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("legacy:nothing", "config.yaml: mounts: /a: legacy:nothing is no WSGI application, got None"),
        ("legacy:number", "config.yaml: mounts: /a: legacy:number is no WSGI application, got 3"),
        ("legacy:broken()", "config.yaml: mounts: /a: legacy:broken() raised ValueError, got no database"),
        ("nonsuch:x", "config.yaml: mounts: /a: nonsuch cannot be imported"),
    ],
)
def test_a_mount_that_cannot_be_used_stops_the_start(make_app: MakeApp, target: str, said: str) -> None:
    """With its prefix and the reason."""
    with pytest.raises(RaabError) as caught:
        make_app(files={"legacy.py": ECHO}, RAAB_PROJECT__MOUNTS=f"{{/a: '{target}'}}")
    assert said in str(caught.value)
