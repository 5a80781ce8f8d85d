"""A project's own modules that hide those that it is served by: its folders come before all others on sys.path. Decides by names alone."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from raab import exitcodes
from raab.errors import RaabError
from raab.project import runtime

MODULE = (".py", ".so")


def refuse(names: Iterable[str], places: Iterable[str], where: str) -> None:
    """Raises RaabError for the first of the files that hides a module of raab's, or of what raab needs. `places` are the folders on
    sys.path."""
    taken = runtime.modules()
    for name in sorted(names):
        if any(module(name, place) in taken for place in places):
            hint = "rename it; a configuration of gunicorn's may be called gunicorn.conf.py" if "gunicorn" in name else "rename it"
            problem = f"{where}: the project has a module that hides one which serves it, got {name}"
            raise RaabError(problem, hint, exitcodes.BAD_INPUT)


def hidden(names: Iterable[str], places: Iterable[str]) -> list[str]:
    """Those of the files that a module of Python's own hides, once that has been loaded; `test` is nobody's."""
    own = sys.stdlib_module_names - {"test"}
    return sorted(name for name in names if any(module(name, place) in own for place in places))


def module(name: str, place: str) -> str:
    """What is imported from a folder by this file alone, as a module or a package; empty where nothing is. A folder without __init__.py
    hides nothing (PEP 420)."""
    prefix = "" if place == "." else f"{place}/"
    if not name.startswith(prefix):
        return ""
    top, _, rest = name.removeprefix(prefix).partition("/")
    if rest:
        return top if rest == "__init__.py" else ""
    # A library in C has the interpreter's name before its ending.
    return (top.removesuffix(".py") if top.endswith(".py") else top.partition(".")[0]) if top.endswith(MODULE) else ""
