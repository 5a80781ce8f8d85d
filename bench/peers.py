"""Tools that raab is compared with: none of raab's dependencies, so they are fetched when they are measured."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def fetched(requirement: str, folder: Path | str) -> bool:
    """Installs it into that empty folder, as for PYTHONPATH; False, with a word to people, where it cannot be had from PyPI."""
    command = (str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", f"--target={folder}", requirement)
    if subprocess.run(command, capture_output=True).returncode:
        print(f"{requirement} cannot be fetched here, so it is left out", file=sys.stderr)
        return False
    return True
