"""Imports what the configuration names, and turns whatever that raises into one message with the place."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from types import ModuleType

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
        place = _place(error)
        hint = f"see {place}" if place else f"is {name} installed?"
        raise RaabError(f"{where}: {name} cannot be imported, got {reason}", hint) from error


def _place(error: BaseException) -> str:
    """File and line: where Python stopped reading it, or the last line that ran and is not of the import machinery."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    own = [frame for frame in frames if Path(frame.filename) != Path(__file__) and "importlib" not in Path(frame.filename).parts]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""
