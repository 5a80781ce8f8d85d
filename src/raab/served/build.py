"""What is served, by the settings: raab's modules, or the application of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raab.factory.importing import named
from raab.factory.logFactory import access_log
from raab.release import current_release
from raab.served.health import Health
from raab.served.loading import load
from raab.web.edge import Edge
from raab.web.wsgi import WSGIApplication

if TYPE_CHECKING:
    from raab.settings.schema import Settings


def build(settings: Settings) -> WSGIApplication:
    """Raises RaabError for what cannot be loaded, ConfigError for settings that are wrong."""
    if not settings.project.app:
        # Here and not above: only raab's own modules need Flask.
        from raab.admin import with_admin
        from raab.factory.appFactory import build_app

        return with_admin(build_app(settings))
    # Looked for first: what is imported below may set up logging of its own.
    access = access_log()
    project = settings.project
    ready = named(project.ready, "config.yaml: ready")[0] if project.ready else None
    health = Health(load(project.app), ready, settings.server.public_health)
    return Edge(health, settings, current_release(), access)
