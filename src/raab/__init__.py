"""raab: Flask services on a team's own servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from raab.settings.schema import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Without `settings` it reads them and sets up the process's logging; with them it touches nothing global.

    Raises ConfigError for wrong settings, RaabError for a module or a mount that cannot be used.
    """
    # Flask takes 300 ms to import, and every `import raab.x` comes through this file.
    from raab.factory.appFactory import build_app

    if settings is None:
        from raab.factory.configFactory import load_settings
        from raab.factory.logFactory import configure_logging

        settings = load_settings()
        configure_logging(settings.logging)
    return build_app(settings)
