"""What `raab check`, `raab trial` and a deploy say of how workers get the application: each command as it is typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raab.errors import RaabError
from raab.host.activation import running
from raab.host.paths import Paths

SHARED = "the application is loaded once for all workers\n"
CASES = {
    "": SHARED,
    "kept = open(__file__)": "the application is loaded by each worker: it opened {file} while it was loaded\n",
    "import threading; threading.Thread(target=print).start(); import time; time.sleep(0)": (
        "the application is loaded by each worker: a greenlet or thread ran while it was loaded (print)\n"
    ),
}


def typed(tmp_path: Path, verb: str, code: str, **environ: str) -> str:
    """What a command says of the project as shipped, with one mounted application that does `code`."""
    (tmp_path / "shop.py").write_text(f"{code}\ndef application(environ, start_response): ...\n")
    environ |= {"PYTHONPATH": str(tmp_path), "RAAB_PROJECT__MOUNTS": "{/shop: 'shop:application'}", "RAAB_ENVIRONMENT": "production"}
    command = [sys.executable, "-m", "raab.host", verb]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=tmp_path, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


@pytest.mark.parametrize("code", CASES)
@pytest.mark.parametrize("verb", ["check", "trial"])
def test_a_command_names_what_makes_it_each(verb: str, code: str, tmp_path: Path) -> None:
    """As a template would find it, that is under gevent's patches."""
    assert typed(tmp_path, verb, code).endswith(CASES[code].format(file=tmp_path / "shop.py"))


@pytest.mark.parametrize("verb", ["check", "trial"])
def test_what_the_settings_say_needs_no_finding(verb: str, tmp_path: Path) -> None:
    """The setting is the reason."""
    assert typed(tmp_path, verb, "", RAAB_SERVER__LOAD="each").endswith("is loaded by each worker: server.load says so\n")


def test_a_deploy_tells_what_the_master_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is something to tell: a master of an older release does not say, one that does not answer neither."""
    word: dict[str, Any] = {"load": {"mode": "each", "why": "it opened a socket while it was loaded"}}
    monkeypatch.setattr(running, "ask", lambda paths, seconds, verb: word)
    assert running.loaded_by_each(Paths("raab")) == "the application is loaded by each worker: it opened a socket while it was loaded"
    word = {"load": {"mode": "shared", "why": ""}}
    assert running.loaded_by_each(Paths("raab")) == ""
    word = {}
    assert running.loaded_by_each(Paths("raab")) == ""

    def silent(paths: Paths, seconds: float, verb: str) -> dict[str, Any]:
        raise RaabError("no answer")

    monkeypatch.setattr(running, "ask", silent)
    assert running.loaded_by_each(Paths("raab")) == ""
