"""A project's application, by the name that its deploy/config.yaml has for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from raab.errors import RaabError
from raab.factory.importing import import_or_explain
from raab.web.wsgi import WSGIApplication

WHERE = "config.yaml: app"
WHERE_READY = "config.yaml: ready"


def load(target: str) -> WSGIApplication:
    """The WSGI application that `module:name` is, or makes when it is called. Raises RaabError with the place in the project."""
    found, module = _found(target.removesuffix("()"), WHERE)
    if target.endswith("()") or makes_one(found):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise RaabError(f"{WHERE}: {target} raised {type(error).__name__}, got {error}", f"see {module.__file__}") from error
    if not callable(found):
        raise RaabError(f"{WHERE}: {target} is no WSGI application, got {found!r}", f"see what {module.__file__} defines")
    if is_asynchronous(found):
        raise RaabError(f"{WHERE}: {target} is an ASGI application, got {found!r}", "raab serves WSGI; name the project's WSGI application")
    return found  # type: ignore[no-any-return]


def load_check(target: str) -> Callable[[], str | None]:
    """The function that tells why the project should get no traffic yet. Raises RaabError with the place in the project."""
    found, module = _found(target, WHERE_READY)
    if not callable(found):
        raise RaabError(f"{WHERE_READY}: {target} cannot be called, got {found!r}", f"see what {module.__file__} defines")
    return found  # type: ignore[no-any-return]


def _found(target: str, where: str) -> tuple[Any, ModuleType]:
    module_name, _, name = target.partition(":")
    module = import_or_explain(module_name, where)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise RaabError(f"{where}: {module_name} has no such name, got {name}", f"see what {module.__file__} defines")
    return found, module


def makes_one(found: Any) -> bool:
    """Whether it is a factory: a function or class that can be called with nothing, which no WSGI application can (PEP 3333)."""
    if not (inspect.isfunction(found) or inspect.isclass(found)):
        return False
    try:
        inspect.signature(found).bind()
    except TypeError:
        return False
    return True


def is_asynchronous(found: Any) -> bool:
    """Whether it wants scope, receive and send (asgi.readthedocs.io)."""
    call = found if inspect.isfunction(found) else type(found).__call__
    return inspect.iscoroutinefunction(call)
