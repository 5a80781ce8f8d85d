"""Which listener a request came by, and so whom it is for."""

from __future__ import annotations

from collections.abc import Iterable

from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# As getsockname(2) tells it: a path, or host and port.
Listener = str | tuple[str, int]


def listeners(binds: str) -> frozenset[Listener]:
    """The listeners as gunicorn.py names them, in gunicorn's words: `unix:/run/raab/admin 127.0.0.1:9100`."""
    return frozenset(map(_listener, binds.split()))


def _listener(bind: str) -> Listener:
    if bind.startswith("unix:"):
        return bind.removeprefix("unix:")
    host, _, port = bind.rpartition(":")
    return host, int(port)


class Door:
    """Hands what came by one of `admin` to `pages`, and all else to `app`.

    The connection's own socket is asked, in which no client has a say: SERVER_NAME and SERVER_PORT, which gunicorn makes of the Host
    header where the listener is a UNIX socket, could be anything. Only such a listener's peers have no address, so that without an
    admin port the socket of a request by TCP need not be asked.
    """

    def __init__(self, app: WSGIApplication, pages: WSGIApplication, admin: frozenset[Listener]) -> None:
        self._app, self._pages, self._admin = app, pages, admin
        # Where there is a method for it, the server tells it of requests that are none.
        self.refused = getattr(app, "refused", None)
        self._by_port = any(isinstance(listener, tuple) for listener in admin)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if (self._by_port or not environ.get("REMOTE_ADDR")) and self._came_by_admin(environ):
            return self._pages(environ, start_response)
        return self._app(environ, start_response)

    def _came_by_admin(self, environ: WSGIEnvironment) -> bool:
        # No server, no socket: the question before a worker serves, or a test's client.
        connection = environ.get("gunicorn.socket")
        return connection is not None and connection.getsockname() in self._admin
