"""What is served, by the settings: raab's modules, or the application of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raab.admin import with_admin
from raab.factory.logFactory import kept_logging
from raab.factory.wrapping import wrap
from raab.served.loading import load, load_check
from raab.web.frameworks import in_context
from raab.web.health import Check
from raab.web.wsgi import WSGIApplication

if TYPE_CHECKING:
    from raab.settings.schema import Settings


def build(settings: Settings) -> WSGIApplication:
    """Raises RaabError for what cannot be loaded, ConfigError for settings that are wrong."""
    project = settings.project
    if not project.app:
        # Here and not above: only raab's own modules need Flask.
        from raab.factory.appFactory import build_app

        app = build_app(settings)
        return with_admin(app, app.extensions["raab"].checks)
    with kept_logging():
        application = load(project.app)
        checks = (Check(project.ready, in_context(application, load_check(project.ready))),) if project.ready else ()
    return with_admin(wrap(application, settings, checks), checks)
