"""What gunicorn is given: the project's application, with what each request passes around it.

Imported by the processes that serve, after gunicorn.py has had them enter the project's folder.
"""

from __future__ import annotations

from raab.factory.configFactory import load_settings
from raab.factory.logFactory import configure_logging
from raab.served.build import build

settings = load_settings()
configure_logging(settings.logging)
application = build(settings)
