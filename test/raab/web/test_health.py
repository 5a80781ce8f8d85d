"""/livez and /readyz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

MakeApp = Callable[..., Flask]
MODULE = "from flask import Blueprint\nblueprint = Blueprint('cart', __name__)\ndef ready(): {}\n"


def test_both_answer_one_word(make_app: MakeApp) -> None:
    """And no cache may answer in their place."""
    client = make_app().test_client()
    for path in ("/livez", "/readyz"):
        response = client.get(path)
        assert (response.status_code, response.text, response.headers["Cache-Control"]) == (200, "ok\n", "no-store")


@pytest.mark.parametrize("body", ["return 'the database does not answer'", "raise ValueError('the database')", "return ''"])
def test_a_module_may_say_not_ready(make_app: MakeApp, body: str, caplog: pytest.LogCaptureFixture) -> None:
    """By a reason or by raising: 503 without the reason, which stands in the log. /livez does not care."""
    files = {"shop/__init__.py": "", "shop/cart.py": MODULE.format(body)}
    client = make_app(files=files, RAAB_PROJECT__MODULES="[shop]").test_client()
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (503, "not ready\n")
    assert "shop.cart: " in caplog.text
    assert client.get("/livez").status_code == 200
    told = client.get("/readyz", environ_base={"handover.check": True})
    assert (told.status_code, told.text.startswith("shop.cart: ")) == (503, True)


def test_a_drained_host_is_not_ready_but_serves(make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark is a file; the trial load before a reload looks past it."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    client = make_app().test_client()
    assert client.get("/readyz").status_code == 200
    (tmp_path / "drain").touch()
    response = client.get("/readyz")
    assert (response.status_code, response.text) == (503, "draining\n")
    assert client.get("/").status_code == 200
    assert client.get("/readyz", environ_base={"handover.check": True}).status_code == 200
    (tmp_path / "drain").unlink()
    assert client.get("/readyz").status_code == 200


def test_health_can_be_kept_from_the_public(make_app: MakeApp, token: str) -> None:
    """Then there are no such paths, but for the host's own questions: the check before a worker serves, and the proof of a release."""
    client = make_app(RAAB_SERVER__PUBLIC_HEALTH="false").test_client()
    proof = {"Raab-Proof": token}
    for path in ("/livez", "/readyz"):
        assert client.get(path).status_code == 404
        assert client.get(path, headers=proof, environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 404
    assert client.get("/readyz", headers=proof).status_code == 404
    answer = client.get("/livez", headers=proof)
    assert (answer.status_code, answer.headers["Raab-Release"]) == (200, "development")
    assert client.get("/readyz", environ_base={"handover.check": True}).text == "ok\n"
