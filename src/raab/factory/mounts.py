"""Other WSGI applications in the same process, by URL prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from raab.errors import RaabError
from raab.factory.importing import import_or_explain
from raab.web.context import is_health
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def mounted(app: WSGIApplication, mounts: Mapping[str, str], public_health: bool) -> WSGIApplication:
    """`app` with each "module:application" (or "module:factory()") at its prefix. One at / takes all but the health paths, which
    stay raab's own; those, too, where they are not for the public. Raises RaabError."""
    if not mounts:
        return app
    loaded = {prefix: _named(_load(prefix, target), prefix) for prefix, target in mounts.items()}
    front = loaded.pop("/", None)
    return DispatcherMiddleware(_behind(front, app, public_health) if front else app, loaded)


def _behind(front: WSGIApplication, app: WSGIApplication, public_health: bool) -> WSGIApplication:
    def choose(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return (app if is_health(environ, public_health) else front)(environ, start_response)

    return choose


def _named(app: WSGIApplication, prefix: str) -> WSGIApplication:
    """The requests of a mounted application go by its prefix, unless it is a Flask application and tells more."""
    route = "/*" if prefix == "/" else f"{prefix}/*"

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["raab.route"] = route
        return app(environ, start_response)

    return serve


def _load(prefix: str, target: str) -> WSGIApplication:
    where = f"config.yaml: mounts: {prefix}"
    module_name, _, name = target.partition(":")
    module = import_or_explain(module_name, where)
    application: Any = getattr(module, name.removesuffix("()"), None)
    if application is not None and name.endswith("()"):
        try:
            application = application()
        except Exception as error:
            raise RaabError(f"{where}: {target} raised {type(error).__name__}, got {error}", f"see {module.__file__}") from error
    if not callable(application):
        raise RaabError(f"{where}: {target} is no WSGI application, got {application!r}", f"see what {module.__file__} defines")
    return application  # type: ignore[no-any-return]
