"""The application of raab's own project, put together in the order in which it stands here."""

from __future__ import annotations

from flask import Flask
from werkzeug.exceptions import HTTPException

from raab.factory.logFactory import kept_logging
from raab.factory.moduleFactory import find_modules, register
from raab.factory.wrapping import wrap
from raab.settings.schema import Settings
from raab.web.flask import problem
from raab.web.flask.jsonbody import JsonBodies
from raab.web.flask.request import LimitedRequest


def build_app(settings: Settings) -> Flask:
    """A Flask application with every module, wrapped in what each request passes. Raises RaabError."""
    app = Flask("raab", static_folder=None)
    app.request_class = LimitedRequest
    app.config.update(
        SECRET_KEY=settings.security.secret_key.reveal() or None,
        SESSION_COOKIE_SECURE=settings.security.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=settings.limits.body,
        MAX_FORM_MEMORY_SIZE=settings.limits.form_memory,
        MAX_FORM_PARTS=settings.limits.form_parts,
    )
    app.json = JsonBodies(app)
    app.register_error_handler(HTTPException, problem.answer)
    with kept_logging():
        registered = register(app, find_modules(settings.project.modules), settings)
    edge = wrap(app.wsgi_app, settings, registered.checks)
    app.wsgi_app = edge  # type: ignore[method-assign]
    # The server looks for it at the application that it is given.
    app.refused = edge.refused  # type: ignore[attr-defined]
    return app
