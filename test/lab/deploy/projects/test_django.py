"""Django projects: one as `startproject` makes it, and one that is a package with an API, static files and a server of its own."""

from __future__ import annotations

from pathlib import Path
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


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_an_api_with_pages_whose_dependencies_are_an_extra(foreign: Any, unpacked: Any, venv: Any, tmp_path: Path) -> None:
    """ARA: its manage.py names no settings, its static files are found where they lie, and what it writes lies where a variable says."""
    unpacked("ara", "", tmp_path / "ara")
    project = foreign("ara", venv(f"{tmp_path / 'ara'}[server]"))
    project.write("requirements.txt", "-e .[server]")
    project.commit()
    said = project.init()
    assert "ara.server.wsgi:application" in said and "django, loads here" in said and "python manage.py migrate" in said
    assert "ansible.sqlite: on a host only the service's folder below /var/lib lasts" in said
    project.on_host("/etc/ara/environment", "ARA_BASE_DIR=/var/lib/ara", 'ARA_ALLOWED_HOSTS=["*"]')
    project.commit()
    project.fab("deploy")
    browser = project.browser()
    assert "ara" in browser.get("/") and len(browser.get("/static/css/ara.css")) > 100
    user = "--noinput --username ann --email a@example.org"
    project.as_service(f"env ARA_BASE_DIR=/var/lib/ara DJANGO_SUPERUSER_PASSWORD=secret python manage.py createsuperuser {user}")
    token = browser.token("csrfmiddlewaretoken", "/admin/login/")
    assert "Administration Ara" in browser.post("/admin/login/?next=/admin/", username="ann", password="secret", csrfmiddlewaretoken=token)
    assert '"name":"nightly"' in browser.post("/api/v1/labels", name="nightly").replace(" ", "")
    project.handed_over("/", project.changed("ara/ui/urls.py"))
    assert "nightly" in browser.get("/api/v1/labels") and "Administration Ara" in browser.get("/admin/")
