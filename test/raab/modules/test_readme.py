"""The readme's "Add a module", followed to the letter."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_readmes_module_is_served(tmp_path: Path) -> None:
    """What is typed makes a module that registers itself."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    section = (ROOT / "readme.md").read_text().partition("## Add a module")[2].partition("    fab deploy")[0]
    typed = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    ") or not line)
    subprocess.run(["sh", "-eu", "-c", typed], cwd=tmp_path, check=True)
    code = "from raab import create_app; print(create_app().test_client().get('/clock').get_json()['time'])"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
    assert re.match(r"\d{4}-\d\d-\d\dT", said)
