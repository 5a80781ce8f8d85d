"""Several applications behind one address, by URL prefix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raab.web.context import MOUNT, ROUTE
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Mounted:
    """`app`, and each of `mounts` at its prefix: the longest one wins, and one at / takes all that would be `app`'s.

    The requests of a mount are counted by its prefix, unless its framework tells more (web.frameworks).
    """

    def __init__(self, app: WSGIApplication, mounts: Mapping[str, WSGIApplication]) -> None:
        self._app, self._mounts = app, dict(mounts)
        self._front = self._mounts.pop("/", None)
        # Of a path of thousands of slashes, no more is looked at than a prefix may have.
        self._depth = max((prefix.count("/") for prefix in self._mounts), default=0)

    def at(self, path: str) -> tuple[str, WSGIApplication]:
        """The application that answers for a path, and its prefix."""
        prefix = "/".join(path.split("/", self._depth + 1)[: self._depth + 1])
        while prefix and prefix not in self._mounts:
            prefix = prefix.rpartition("/")[0]
        return prefix, self._mounts[prefix] if prefix else self._front or self._app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        prefix, app = self.at(path)
        if prefix or self._front is not None:
            environ[MOUNT], environ[ROUTE] = prefix, f"{prefix}/*"
        if prefix:
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = environ.get("SCRIPT_NAME", "") + prefix, path[len(prefix) :]
        return app(environ, start_response)
