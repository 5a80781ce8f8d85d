"""How large a request's body may be: by the settings, or more where its route or its application says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from raab.web.frameworks import flask_of
from raab.web.mounted import Mounted
from raab.web.wsgi import WSGIEnvironment

_View = TypeVar("_View", bound=Callable[..., Any])
_MARK = "raab_body_limit"


def body_limit(size: int) -> Callable[[_View], _View]:
    """For a view of Flask's: bodies of its route may have `size` bytes, where limits.body allows fewer. Below the decorator that makes
    the route."""

    def mark(view: _View) -> _View:
        setattr(view, _MARK, size)
        return view

    return mark


class BodyLimits:
    """The limit of each request: `usual`, or what is allowed beyond it by the view that its URL leads to (`body_limit`) or by the
    MAX_CONTENT_LENGTH of the Flask application that it goes to."""

    def __init__(self, usual: int, applications: Mounted) -> None:
        self._usual, self._applications = usual, applications

    def of(self, environ: WSGIEnvironment) -> int:
        """In bytes. Asked for bodies alone that may have too many: it takes as long as routing does."""
        path = environ.get("PATH_INFO", "")
        prefix, application = self._applications.at(path)
        flask = flask_of(application)
        if flask is None:
            return self._usual
        inside = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": path[len(prefix) :]}
        return max(self._usual, flask.config.get("MAX_CONTENT_LENGTH") or 0, _of_view(flask, {**environ, **inside}))


def _of_view(flask: Any, environ: WSGIEnvironment) -> int:
    from werkzeug.exceptions import HTTPException

    try:
        adapter = flask.create_url_adapter(flask.request_class(environ))
        endpoint = adapter.match()[0] if adapter is not None else ""
    except HTTPException:
        # It leads nowhere, or elsewhere.
        return 0
    return int(getattr(flask.view_functions.get(endpoint), _MARK, 0))
