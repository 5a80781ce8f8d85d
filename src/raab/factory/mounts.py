"""Other applications by URL prefix: WSGI applications in the same process, and what is forwarded to elsewhere."""

from __future__ import annotations

from collections.abc import Mapping

from raab.errors import RaabError
from raab.factory.importing import named
from raab.settings.served import Mount
from raab.web.wsgi import WSGIApplication


def load_mounts(mounts: Mapping[str, Mount], seconds: float) -> dict[str, WSGIApplication]:
    """The application of each mount, by its prefix. `seconds` are those that a request may take. Raises RaabError."""
    return {prefix: _made(prefix, mount, seconds) for prefix, mount in mounts.items()}


def _made(prefix: str, mount: Mount, seconds: float) -> WSGIApplication:
    if mount.urls:
        # Here and not above: a service that forwards nothing needs no client for HTTP.
        from raab.web.elsewhere.forward import Forward

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
