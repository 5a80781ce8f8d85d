"""What operators ask the service, at listeners of its own that no public request reaches: health in full, metrics, release, workers.

Apart from the application, which must not know the server that it runs under (raab.host).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from raab.admin.door import Door, listeners
from raab.admin.pages import Pages
from raab.web.health import Check
from raab.web.wsgi import WSGIApplication


def with_admin(app: WSGIApplication, checks: Iterable[Check]) -> WSGIApplication:
    """The application behind a door at which what comes by an admin listener is turned aside; as it is where there is none. `checks` are
    those that decide with its /readyz."""
    admin = listeners(os.environ.get("ADMIN_LISTENERS", ""))
    return Door(app, Pages(checks), admin) if admin else app
