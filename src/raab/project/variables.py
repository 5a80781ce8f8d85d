"""What a framework's commands find a project by, as its developer has it in his shell or in the project's own files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

# As manage.py and wsgi.py set it (docs.djangoproject.com, DJANGO_SETTINGS_MODULE).
DJANGO = re.compile(r"DJANGO_SETTINGS_MODULE[\"']\]?\s*[,=]\s*[\"']([\w.]+)[\"']")


def variables(app: str, files: Iterable[tuple[str, Path]]) -> tuple[str, ...]:
    """As NAME=value, for the application module:name of a project with these files, each by its name and where it lies."""
    if not app:
        return ()
    module = app.partition(":")[0].replace(".", "/") + ".py"
    likely = [(name, path) for name, path in files if f"/{name}".endswith((f"/{module}", "/manage.py"))]
    # The application's own word before that of manage.py, which may be for development; the nearest to the root of each.
    for _, path in sorted(likely, key=lambda each: (not each[0].endswith(module), each[0].count("/"))):
        if found := settings(path):
            return (f"DJANGO_SETTINGS_MODULE={found}",)
    return (f"FLASK_APP={app}",)


def settings(path: Path) -> str:
    """The settings that a file of Django's names; empty where it names none."""
    found = DJANGO.search(path.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else ""
