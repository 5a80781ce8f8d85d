"""Django projects: one as `startproject` makes it, and one that is a package with an API, static files and a server of its own."""

from __future__ import annotations

from typing import Any

import pytest

SETTINGS = """
ALLOWED_HOSTS = ["*"]
DEBUG = False
STATIC_ROOT = BASE_DIR / "staticfiles"
MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
"""


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_django_project_is_migrated_and_logged_in_to(foreign: Any, fetched: Any, venv: Any) -> None:
    """As `startproject` makes it, with what Django's own checklist for deployments asks of its settings. Static files are collected here,
    the database is migrated on the host; nothing is written by hand for raab."""
    project = foreign("site1", venv(str(fetched("django")), "whitenoise==6.11.0"))
    project.run("django-admin", "startproject", "mysite", ".")
    with (project.root / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (project.root / "requirements.txt").write_text("django==5.2.7\nwhitenoise==6.11.0\n")
    (project.root / ".gitignore").write_text("*.sqlite3\n__pycache__/\nstaticfiles/\n")
    said = project.init()
    assert "mysite.wsgi:application" in said and "django, loads here" in said
    assert "on each host, for its SQLite file" in said
    # A command of the framework's own finds the project by its variable alone.
    with (project.root / "deploy/lab.yaml").open("a") as environment:
        environment.write('  after_activate: {command: "cd $RAAB_RELEASE_DIR/app && ../venv/bin/python -m django check", timeout: 60}\n')
    project.commit()
    project.fab("deploy")
    browser = project.browser()
    assert len(browser.get("/static/admin/css/base.css")) > 1000
    project.as_service(
        "env DJANGO_SUPERUSER_PASSWORD=secret python manage.py createsuperuser --noinput --username ann --email a@example.org"
    )
    token = browser.token("csrfmiddlewaretoken", "/admin/login/")
    said = browser.post("/admin/login/?next=/admin/", username="ann", password="secret", csrfmiddlewaretoken=token)
    assert "Site administration" in said
    project.handed_over("/admin/login/", project.changed("mysite/urls.py"))
    assert "Site administration" in browser.get("/admin/")
