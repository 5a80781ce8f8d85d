"""How large a request's body may be: by the settings, or more where its route or its application says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from raab.web.context import BODY, BODY_LIMIT
from raab.web.frameworks import flask_of, is_bottle
from raab.web.gathered import gather
from raab.web.mounted import Mounted
from raab.web.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_View = TypeVar("_View", bound=Callable[..., Any])
_MARK = "raab_body_limit"


class OwnLimit:
    """A request of Flask's that keeps to the limit which its route has (web.context.BODY_LIMIT)."""


def body_limit(size: int) -> Callable[[_View], _View]:
    """For a view of Flask's: bodies of its route may have `size` bytes, where limits.body allows fewer. Below the decorator that makes
    the route. Without effect in an application that has a MAX_CONTENT_LENGTH of its own, raab's apart."""

    def mark(view: _View) -> _View:
        setattr(view, _MARK, size)
        return view

    return mark


class BodyLimits:
    """The limit of each request, on its way to `app`: `usual`, or what is allowed beyond it by the view that its URL leads to
    (`body_limit`), or what MAX_CONTENT_LENGTH says of the Flask application that it goes to.

    Within all middlewares: they may have sent the request somewhere else than its URL says.
    """

    def __init__(self, app: WSGIApplication, usual: int, applications: Mounted) -> None:
        self._app, self._usual, self._applications = app, usual, applications

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ.get(BODY)
        # Which limit it has is asked for such bodies alone: it takes as long as routing does.
        if body is not None and not body.fits:
            environ[BODY_LIMIT] = limit = self.of(environ)
            body.allow(limit)
            if is_bottle(self._applications.at(environ.get("PATH_INFO", ""))[1]):
                gather(environ)
        return self._app(environ, start_response)

    def of(self, environ: WSGIEnvironment) -> int:
        """In bytes."""
        path = environ.get("PATH_INFO", "")
        prefix, application = self._applications.at(path)
        flask = flask_of(application)
        if flask is None:
            return self._usual
        own: int | None = flask.config.get("MAX_CONTENT_LENGTH")
        if own is not None and not issubclass(flask.request_class, OwnLimit):
            # It keeps to its own whatever is allowed here, and of a body in chunks takes the beginning for the whole
            # (werkzeug/wsgi.py, LimitedStream.readall).
            return own
        inside = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": path[len(prefix) :]}
        return max(self._usual, own or 0, _of_view(flask, {**environ, **inside}))


def _of_view(flask: Any, environ: WSGIEnvironment) -> int:
    from werkzeug.exceptions import HTTPException

    try:
        adapter = flask.create_url_adapter(flask.request_class(environ))
        endpoint = adapter.match()[0] if adapter is not None else ""
    except HTTPException:
        # It leads nowhere, or elsewhere.
        return 0
    return int(getattr(flask.view_functions.get(endpoint), _MARK, 0))
