"""What each request passes on its way to an application, whichever framework that is made with."""

from __future__ import annotations

from collections.abc import Iterable

from raab.factory.logFactory import access_log, kept_logging
from raab.factory.middleware import surrounded
from raab.factory.mounts import load_mounts
from raab.release import current_release
from raab.settings.schema import Settings
from raab.web.bodies import BodyLimits
from raab.web.edge.edge import Edge
from raab.web.frameworks import heed_django
from raab.web.health import Check, Health
from raab.web.mounted import Mounted
from raab.web.wsgi import WSGIApplication


def wrap(application: WSGIApplication, settings: Settings, checks: Iterable[Check] = ()) -> Edge:
    """The application as it is served: with mounts, health, middlewares, and at the edge of it request ids, limits, hosts, access lines and
    counters. Raises RaabError for a mount or a middleware that cannot be used.

    `application` is any WSGI application that has been loaded, within `kept_logging`, or it may have taken the process's logging for its
    own. `checks` decide with /readyz; one of a Flask project's runs in its context by `raab.web.frameworks.in_context`. A server is given
    what this returns, behind `raab.admin.with_admin` and the same checks:

        configure_logging(settings.logging)
        with kept_logging():
            application = load("shop.wsgi:application")
            checks = (Check("shop.health:check", in_context(application, load("shop.health:check"))),)
        application = with_admin(wrap(application, settings, checks), checks)
    """
    with kept_logging():
        mounted = Mounted(application, load_mounts(settings.project.mounts, settings.limits.request))
        # Each that claims these two paths is asked for the rest alone; a middleware can keep the service from being ready.
        health = Health(mounted, checks, settings.server.public_health)
        inner = surrounded(BodyLimits(health, settings.limits.body, mounted), settings.project.middleware)
    heed_django()
    # Each request, whoever answers it, gets its id, its line and its limits.
    return Edge(inner, settings, current_release(), access_log())
