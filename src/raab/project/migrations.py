"""The migrations that a project has, by the names of their files. Pure.

Alembic's lie in a folder `versions`, Django's in a package `migrations` of an application.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

# As they go to a host and come back from there.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def names(files: Iterable[str]) -> tuple[str, ...]:
    """Alembic's by their own name, Django's with their application's before it, in the order of the names."""
    found = []
    for path in map(PurePosixPath, files):
        if path.suffix != ".py" or path.stem.startswith("_"):
            continue
        if path.parent.name == "versions":
            found.append(path.stem)
        elif path.parent.name == "migrations" and re.match("[0-9]{4}_", path.name):
            found.append(f"{path.parent.parent.name}.{path.stem}")
    return tuple(sorted(name for name in set(found) if _NAME.fullmatch(name)))
