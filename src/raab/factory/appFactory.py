"""The application, put together in the order in which it stands here."""

from __future__ import annotations

from flask import Flask
from werkzeug.exceptions import HTTPException

from raab.factory.logFactory import access_log
from raab.factory.middleware import surrounded
from raab.factory.moduleFactory import find_modules, register
from raab.factory.mounts import load_mounts, mounted
from raab.release import current_release
from raab.settings.schema import Settings
from raab.web import health, problem
from raab.web.access import AccessLog
from raab.web.bodies import BodyLimits, LimitedRequest
from raab.web.edge import Edge
from raab.web.jsonbody import JsonBodies


def build_app(settings: Settings) -> Flask:
    """A Flask application with every module, wrapped in what each request passes. Raises RaabError."""
    # Looked for first: what is imported below may set up logging of its own.
    access = access_log()
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
    # /livez and /readyz come first, so that a module that takes their place is told so.
    app.register_blueprint(health.blueprint)
    register(app, find_modules(settings.project.modules), settings)
    edge = wrapped(app, settings, access)
    app.wsgi_app = edge  # type: ignore[method-assign]
    # The server looks for it at the application that it is given.
    app.refused = edge.refused  # type: ignore[attr-defined]
    return app


def wrapped(flask: Flask, settings: Settings, access: AccessLog | None) -> Edge:
    """What each request passes on its way to `flask`, from the inside out. Before all of it lies raab.admin's door, which wsgi.py adds."""
    mounts = load_mounts(settings.project.mounts, settings.limits.request)
    app = mounted(flask.wsgi_app, mounts, settings.server.public_health)
    app = surrounded(app, settings.project.middleware)
    # Each request, whoever answers it, gets its id, its line and its limits.
    return Edge(app, settings, current_release(), access, BodyLimits(settings.limits.body, flask, mounts).of)
