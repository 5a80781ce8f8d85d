"""Where a project's code runs: in its root and with its folders on sys.path, as its developer has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path


def root() -> Path:
    """The project's root: `app` in the release whose Python this is, by the release's own path and not by a link; in a checkout, whose
    Python may be anybody's, the working directory."""
    folder = Path(sys.prefix).parent / "app"
    return folder if folder.is_dir() and (folder.parent / "gunicorn.py").is_file() else Path.cwd()


def enter(python_path: Iterable[str]) -> None:
    """Work there from now on, and find the project's modules there before all others.

    For a process that loads the application, never for gunicorn's master, whose own modules a project's could hide.
    """
    here = root()
    os.chdir(here)
    wanted = [os.path.normpath(here / name) for name in python_path]
    sys.path[:] = [*wanted, *(path for path in sys.path if path not in wanted)]
