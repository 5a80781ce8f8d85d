"""The application as a whole, and the two files that start it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

ROOT = Path(__file__).parent.parent.parent


def test_the_card_says_who_answers(make_app: Callable[..., Flask]) -> None:
    """Service, version, release and environment; outside a release there is no more to say than "development"."""
    card = make_app(RAAB_PROJECT__NAME="shop").test_client().get("/").get_json()
    assert card == {"service": "shop", **dict.fromkeys(("version", "release", "environment"), "development")}


def test_limits_reach_flask(make_app: Callable[..., Flask]) -> None:
    """The settings file's numbers are the ones that count."""
    config = make_app(RAAB_LIMITS__BODY="7", RAAB_LIMITS__FORM_MEMORY="8", RAAB_LIMITS__FORM_PARTS="9").config
    assert (config["MAX_CONTENT_LENGTH"], config["MAX_FORM_MEMORY_SIZE"], config["MAX_FORM_PARTS"]) == (7, 8, 9)


def test_sessions_are_signed_with_the_secret_key(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    """From its file; without one there is no key, and Flask refuses sessions. Cookies are for HTTPS only in production."""
    (tmp_path / "key").write_text("k" * 32)
    app = make_app(RAAB_SECURITY__SECRET_KEY_FILE=str(tmp_path / "key"), RAAB_ENVIRONMENT="production")
    assert (app.secret_key, app.config["SESSION_COOKIE_SECURE"]) == ("k" * 32, True)
    bare = make_app()
    assert (bare.secret_key, bare.config["SESSION_COOKIE_SECURE"]) == (None, False)


def test_given_settings_leave_the_process_alone(make_app: Callable[..., Flask]) -> None:
    """Logging is set up only by create_app(), which is what wsgi.py calls."""
    import logging

    before = list(logging.getLogger().handlers)
    make_app()
    assert logging.getLogger().handlers == before


def test_wsgi_py_serves_under_the_server(tmp_path: Path) -> None:
    """`wsgi:application` is a WSGI application, with nothing but the two lines needed."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import wsgi; print(wsgi.application.test_client().get('/livez').text)"
    environment = {**os.environ, "RAAB_ENVIRONMENT": "production"}
    command = [sys.executable, "-c", code, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert done.stdout == "ok\n\n"


@pytest.mark.parametrize("directory", [ROOT, Path("/")])
def test_run_py_serves_from_anywhere(directory: Path) -> None:
    """Also from the root, where gunicorn.py shadows the package gunicorn."""
    port = free_port()
    environment = {**os.environ, "RAAB_SERVER__BIND": f"127.0.0.1:{port}"}
    command = [sys.executable, str(ROOT / "run.py")]
    process = subprocess.Popen(command, cwd=directory, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert wait_for(f"http://127.0.0.1:{port}/livez") == b"ok\n"
    finally:
        # The reloader's child is in the same process group.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def test_run_py_shows_what_cannot_be_loaded(tmp_path: Path) -> None:
    """And goes on watching: the next saved file may repair it."""
    port = free_port()
    environment = {**os.environ, "RAAB_SERVER__BIND": f"127.0.0.1:{port}"}
    environment |= {"RAAB_PROJECT__MODULES": "[shop]", "PYTHONPATH": str(tmp_path)}
    module = tmp_path / "shop/cart.py"
    module.parent.mkdir()
    (module.parent / "__init__.py").touch()
    module.write_text("1 +\n")
    command = [sys.executable, str(ROOT / "run.py")]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        with pytest.raises(urllib.error.HTTPError) as caught:
            wait_for(f"http://127.0.0.1:{port}/livez")
        assert "shop.cart cannot be imported, got SyntaxError" in caught.value.read().decode()
        module.write_text("from flask import Blueprint\nblueprint = Blueprint('cart', __name__)\n")
        assert eventually(f"http://127.0.0.1:{port}/livez", b"ok\n")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def test_run_py_notices_a_new_modules_folder(tmp_path: Path) -> None:
    """Which no file that is loaded tells of."""
    port = free_port()
    environment = {**os.environ, "RAAB_SERVER__BIND": f"127.0.0.1:{port}"}
    environment |= {"RAAB_PROJECT__MODULES": "[shop]", "PYTHONPATH": str(tmp_path)}
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    command = [sys.executable, str(ROOT / "run.py")]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        assert wait_for(f"http://127.0.0.1:{port}/livez") == b"ok\n"
        with pytest.raises(urllib.error.HTTPError):
            wait_for(f"http://127.0.0.1:{port}/cart")
        (tmp_path / "shop/cart").mkdir()
        view = "@blueprint.get('/cart')\ndef cart(): return 'full\\n'\n"
        (tmp_path / "shop/cart/__init__.py").write_text(f"from flask import Blueprint\nblueprint = Blueprint('cart', __name__)\n{view}")
        assert eventually(f"http://127.0.0.1:{port}/cart", b"full\n")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def test_run_py_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    """Wrong settings end it with 2 and the usual message."""
    environment = {**os.environ, "RAAB_SERVER__WORKERS": "many"}
    command = [sys.executable, str(ROOT / "run.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "RAAB_SERVER__WORKERS: server.workers: expected int, got 'many'\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def eventually(url: str, said: bytes) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            return wait_for(url) == said
        except urllib.error.HTTPError:
            time.sleep(0.2)
    return False


def wait_for(url: str, seconds: float = 60) -> bytes:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bytes(response.read())
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
