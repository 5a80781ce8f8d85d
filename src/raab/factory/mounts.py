"""Other applications by URL prefix: WSGI applications in the same process, and what is forwarded to elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from raab.errors import RaabError
from raab.factory.importing import named
from raab.settings.served import Mount
from raab.web.context import MOUNT, ROUTE, is_health
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def load_mounts(mounts: Mapping[str, Mount], seconds: float) -> dict[str, WSGIApplication]:
    """The application of each mount, by its prefix. `seconds` are those that a request may take. Raises RaabError."""
    return {prefix: _made(prefix, mount, seconds) for prefix, mount in mounts.items()}


def mounted(app: WSGIApplication, mounts: Mapping[str, WSGIApplication], public_health: bool) -> WSGIApplication:
    """`app` with each other application at its prefix. One at / takes all but the health paths, which stay raab's own; those, too, where
    they are not for the public."""
    if not mounts:
        return app
    routed = {prefix: _routed(other, prefix) for prefix, other in mounts.items()}
    front = routed.pop("/", None)
    return DispatcherMiddleware(_behind(front, app, public_health) if front else app, routed)


def _behind(front: WSGIApplication, app: WSGIApplication, public_health: bool) -> WSGIApplication:
    def choose(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return (app if is_health(environ, public_health) else front)(environ, start_response)

    return choose


def _routed(app: WSGIApplication, prefix: str) -> WSGIApplication:
    """The requests of a mounted application go by its prefix, unless it is a Flask application and tells more."""
    below = prefix.removesuffix("/")
    route = f"{below}/*"

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[MOUNT], environ[ROUTE] = below, route
        return app(environ, start_response)

    return serve


def _made(prefix: str, mount: Mount, seconds: float) -> WSGIApplication:
    if mount.urls:
        # Here and not above: a service that forwards nothing needs no client for HTTP.
        from raab.web.forward import Forward

        return Forward(mount.urls, seconds)
    return _load(f"config.yaml: mounts: {prefix}", mount.application)


def _load(where: str, target: str) -> WSGIApplication:
    application, module = named(target.removesuffix("()"), where)
    if application is not None and target.endswith("()"):
        try:
            application = application()
        except Exception as error:
            raise RaabError(f"{where}: {target} raised {type(error).__name__}, got {error}", f"see {module.__file__}") from error
    if not callable(application):
        raise RaabError(f"{where}: {target} is no WSGI application, got {application!r}", f"see what {module.__file__} defines")
    return application  # type: ignore[no-any-return]
