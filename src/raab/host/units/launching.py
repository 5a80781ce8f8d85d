"""What stands before a command that is to have the release's secrets as variables (raab.launch). Standard library only."""

from __future__ import annotations

import json
from pathlib import Path


def prefix(release: Path) -> str:
    """For the command line of a unit, with a space at its end; empty for a release that names no secrets, as of before there were any."""
    manifest = json.loads((release / "manifest.json").read_bytes())
    return f"{release}/venv/bin/python -I -m raab.launch " if manifest.get("secrets") else ""
