"""The project's own Python on this machine, and commands that are run with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError


def python(root: Path) -> str:
    """The Python that most likely has what the project needs: of the environment that is active, or lies in the project."""
    homes = [os.environ.get("VIRTUAL_ENV", ""), *(str(root / name) for name in (".venv", "venv", "env"))]
    found = (Path(home) / "bin/python" for home in homes if home)
    return next((str(path) for path in found if path.is_file()), sys.executable)


def run(root: Path, commands: Iterable[str]) -> None:
    """Run each in the project's root, with what its environment has on the path. Raises RaabError with what one said that failed."""
    environment = {**os.environ, "PATH": f"{Path(python(root)).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"}
    for command in commands:
        words = ("/bin/sh", "-c", command)
        done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise RaabError(f"build: `{command}` ended with exit code {done.returncode}, got:\n{said}", "mend it", exitcodes.BAD_INPUT)
