"""WSGI middlewares around the application: whatever takes a WSGI application and gives one (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raab.errors import RaabError
from raab.factory.importing import named
from raab.settings.served import Middleware
from raab.web.context import MOUNT, ROUTE
from raab.web.frameworks import DJANGO, WERKZEUG
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The environment as the edge knows it, in the one that the application gets.
_OUTER = "raab.outer"
# What the edge looks for in it (raab.web.edge.exchange).
_TOLD = (MOUNT, ROUTE, WERKZEUG, DJANGO)


def surrounded(app: WSGIApplication, middleware: tuple[Middleware, ...]) -> WSGIApplication:
    """`app` within each of them, the first outermost. Raises RaabError."""
    if not middleware:
        return app
    app = _telling(app)
    for one in reversed(middleware):
        where = f"config.yaml: middleware: {one.target}"
        make, module = named(one.target, where)
        if not callable(make):
            raise RaabError(f"{where}: cannot be called with an application, got {make!r}", f"see what {module.__file__} defines")
        try:
            app = make(app, **one.options)
        except Exception as error:
            raise RaabError(f"{where}: raised {type(error).__name__}, got {error}", f"see {module.__file__}") from error
        if not callable(app):
            raise RaabError(f"{where}: gives no WSGI application, got {app!r}", f"see {module.__file__}")
    return _told(app)


def _told(app: WSGIApplication) -> WSGIApplication:
    """Outside of all middlewares: a way back for what is found out inside, also through one that hands on a copy of the environment, as
    werkzeug's Response.from_app does."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[_OUTER] = [environ]
        return app(environ, start_response)

    return serve


def _telling(app: WSGIApplication) -> WSGIApplication:
    """Inside of them."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        holder = environ.pop(_OUTER, None)
        if not holder or holder[0] is environ:
            return app(environ, start_response)
        outer = holder.pop()
        del outer[_OUTER]

        def start(*told: Any) -> Any:
            outer.update({key: environ[key] for key in _TOLD if key in environ})
            return start_response(*told)

        return app(environ, start)

    return serve
