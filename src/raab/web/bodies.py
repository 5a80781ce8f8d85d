"""How large a request's body may be: by the settings, or more where its route or its application says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Flask, Request
from werkzeug.exceptions import HTTPException

from raab.web.context import BODY_LIMIT
from raab.web.wsgi import WSGIApplication, WSGIEnvironment

_View = TypeVar("_View", bound=Callable[..., Any])
_MARK = "raab_body_limit"


def body_limit(size: int) -> Callable[[_View], _View]:
    """For a view: bodies of its route may have `size` bytes, where limits.body allows fewer. Below the decorator that makes the route."""

    def mark(view: _View) -> _View:
        setattr(view, _MARK, size)
        return view

    return mark


class BodyLimits:
    """The limit of each request: `usual`, or what is allowed beyond it by the view that its URL leads to (`body_limit`) or by the
    MAX_CONTENT_LENGTH of the Flask application, `app` or one of `mounts`."""

    def __init__(self, usual: int, app: Flask, mounts: Mapping[str, WSGIApplication]) -> None:
        self._usual, self._app, self._mounts = usual, app, mounts

    def of(self, environ: WSGIEnvironment) -> int:
        """In bytes. Asked for bodies alone that may have too many: it takes as long as routing does."""
        prefix = environ.get("PATH_INFO", "")
        # As werkzeug's DispatcherMiddleware chooses.
        while prefix and prefix not in self._mounts:
            prefix = prefix.rpartition("/")[0]
        app = self._mounts.get(prefix or "/", self._app)
        if not isinstance(app, Flask):
            return self._usual
        inside = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": environ.get("PATH_INFO", "")[len(prefix) :]}
        return max(self._usual, app.config.get("MAX_CONTENT_LENGTH") or 0, _of_view(app, {**environ, **inside}))


def _of_view(app: Flask, environ: WSGIEnvironment) -> int:
    try:
        adapter = app.create_url_adapter(app.request_class(environ))
        endpoint = adapter.match()[0] if adapter is not None else ""
    except HTTPException:
        # It leads nowhere, or elsewhere.
        return 0
    return int(getattr(app.view_functions.get(endpoint), _MARK, 0))


class LimitedRequest(Request):
    """Flask's request, with the limit that its route has."""

    @property
    def max_content_length(self) -> int | None:
        own = self.environ.get(BODY_LIMIT)
        return own if own is not None else super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self.environ[BODY_LIMIT] = value
