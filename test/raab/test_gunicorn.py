"""gunicorn.py as gunicorn executes it: what it tells the hand-over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# runpy names the code as gunicorn does. What is printed last is said by a process that has loaded the configuration long before.
EXECUTED = """
import os, runpy, sys
os.environ["RAAB_SERVER__WORKERS"] = "3"
options = runpy.run_path(sys.argv[1], run_name="__config__")["on_starting"]
assert not [name for name in sys.modules if name.split(".")[0] == "raab"], "the master holds raab"
os.environ["RAAB_SERVER__WORKERS"] = "4"
os.environ.pop("RAAB_SECURITY__SECRET_KEY_FILE")
options.prepare()
from raab.factory.configFactory import load_settings
settings = load_settings()
print(options.shared, settings.server.workers, settings.security.secret_key.reveal())
assert settings.security.secret_key.reveal() not in repr(options)
"""


@pytest.mark.parametrize(("load", "shared"), [("shared", True), ("each", False)])
def test_a_generation_keeps_to_its_settings(load: str, shared: bool, tmp_path: Path) -> None:
    """Whoever loads its application later does so by the reading of the reload that began it, secrets included."""
    (tmp_path / "key").write_text("k" * 32)
    environ = {"RAAB_SERVER__LOAD": load, "RAAB_SECURITY__SECRET_KEY_FILE": str(tmp_path / "key"), "RAAB_SERVER__BIND": "127.0.0.1:1"}
    command = [sys.executable, "-I", "-c", EXECUTED, str(ROOT / "gunicorn.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd="/", timeout=60)
    assert done.stdout == f"{shared} 3 {'k' * 32}\n", done.stderr
