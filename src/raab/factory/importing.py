"""Imports what the configuration names, and turns whatever that raises into one message with the place."""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from raab.errors import RaabError


def import_or_explain(name: str, where: str) -> ModuleType:
    """The module `name`. `where` is what asked for it, as the message shall begin.

    Raises RaabError naming the module, the file and line, and the error. SystemExit counts as one: a module that calls sys.exit()
    would end the worker without a word.
    """
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        place = _place(error, name)
        hint = f"see {place}" if place else f"is {name} installed?"
        raise RaabError(f"{where}: {name} cannot be imported, got {reason}", hint) from error


def named(target: str, where: str) -> tuple[Any, ModuleType]:
    """What "package.module:name" names, None where there is no such name; and the module. Raises RaabError as import_or_explain does."""
    module_name, _, name = target.partition(":")
    module = import_or_explain(module_name, where)
    return getattr(module, name, None), module


def _place(error: BaseException, name: str) -> str:
    """File and line: where Python stopped reading it, or the last line that ran, of the same package where there is one.

    That a library raised it deep inside helps less than which line called the library.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    frames = [frame for frame in frames if Path(frame.filename) != Path(__file__) and "importlib" not in Path(frame.filename).parts]
    own = [frame for frame in frames if any(Path(frame.filename).is_relative_to(root) for root in _roots(name))]
    chosen = (own or frames)[-1:]
    return f"{chosen[0].filename}:{chosen[0].lineno}" if chosen else ""


def _roots(name: str) -> list[str]:
    """The folders of the top-level package that `name` is in, or its file where it is a single one."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    return list(spec.submodule_search_locations or filter(None, [spec.origin]))
