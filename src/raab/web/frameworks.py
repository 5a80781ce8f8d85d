"""What raab knows of the frameworks that applications are made with, none of which it needs: they are asked for what they tell by
themselves, and only where somebody else has imported them.

An application of any other framework is served in the same way; its requests are counted as those of its mount.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from raab.web.gathered import gather
from raab.web.wsgi import WSGIApplication, WSGIEnvironment

_Result = TypeVar("_Result")
# Werkzeug leaves its request in the environment until the answer is made, Flask's of any mount included; of Django's this is done here.
WERKZEUG, DJANGO = "werkzeug.request", "raab.django"


def route_of(environ: WSGIEnvironment) -> str | None:
    """The template of the route that was taken, as its application declares it: `/orders/<int:number>`. None where nobody tells."""
    rule = getattr(environ.get(WERKZEUG), "url_rule", None)
    if rule is not None:
        return str(rule.rule)
    match = getattr(environ.get(DJANGO), "resolver_match", None)
    # A regular expression at the top has kept its mark of the beginning (django/urls/resolvers.py, _join_route).
    return None if match is None else f"/{match.route.removeprefix('^')}"


def flask_of(application: WSGIApplication) -> Any:
    """The Flask application that it is, or whose `wsgi_app` it is; None for any other."""
    flask = sys.modules.get("flask")
    owner = getattr(application, "__self__", application)
    return owner if flask is not None and isinstance(owner, flask.Flask) else None


def is_bottle(application: WSGIApplication) -> bool:
    """Whether it is Bottle's, which takes chunks apart itself, also those that the server has (bottle.py, BaseRequest._body)."""
    bottle = sys.modules.get("bottle")
    return bottle is not None and isinstance(application, bottle.Bottle)


def in_context(application: WSGIApplication, function: Callable[[], _Result]) -> Callable[[], _Result]:
    """The function as a command of the project's framework would call it: Flask's within the application's context."""
    flask = flask_of(application)
    if flask is None:
        return function

    def call() -> _Result:
        with flask.app_context():
            return function()

    return call


def heed_django() -> None:
    """Has Django's requests tell of themselves in their environment, and get bodies in chunks, which Django takes for none, with a length;
    where Django was imported.

    WSGIHandler makes them by its `request_class` (django/core/handlers/wsgi.py, from 1.7 to 6.0), before the first middleware sees them.
    """
    wsgi = sys.modules.get("django.core.handlers.wsgi")
    made = getattr(getattr(wsgi, "WSGIHandler", None), "request_class", None)
    if made is None or DJANGO in vars(made):
        return

    def __init__(self: Any, environ: WSGIEnvironment) -> None:
        gather(environ)
        made.__init__(self, environ)
        environ[DJANGO] = self

    wsgi.WSGIHandler.request_class = type(made.__name__, (made,), {"__init__": __init__, "__module__": made.__module__, DJANGO: True})  # type: ignore[union-attr]
