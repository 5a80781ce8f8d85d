"""Flask projects: its tutorial, one without setup files and with an old Flask, one with a factory and migrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_flasks_tutorial_is_served_as_it_is(foreign: Any, unpacked: Any) -> None:
    """A package with a factory and a database in its instance folder; not a line is written by hand."""
    project = foreign("flaskr")
    unpacked("flask", "examples/tutorial", project.root)
    project.commit()
    said = project.init()
    assert "flaskr:create_app()" in said and "as its wheel" in said
    assert (project.root / "deploy/config.yaml").read_text() == "name: flaskr\napp: flaskr:create_app()\nwritable: [instance]\n"
    project.commit()
    project.fab("deploy")
    project.as_service("flask --app flaskr init-db")
    browser = project.browser()
    assert "font-family" in browser.get("/static/style.css")
    browser.post("/auth/register", username="ann", password="secret")
    assert "ann" in browser.post("/auth/login", username="ann", password="secret")
    assert "First post" in browser.post("/create", title="First post", body="written")
    project.handed_over("/", project.changed("flaskr/templates/base.html"))
    # What was written belongs to no release.
    assert "First post" in browser.get("/") and "Log Out" in browser.get("/")
    assert project.shell.run("readlink /opt/flaskr/current/app/instance").out.strip() == "/var/lib/flaskr/instance"


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_project_without_setup_files_and_with_an_old_flask(foreign: Any, unpacked: Any) -> None:
    """Its code travels as its files, and its own pins decide."""
    project = foreign("js-example")
    unpacked("flask", "examples/javascript", project.root)
    (project.root / "pyproject.toml").unlink()
    (project.root / "requirements.txt").write_text("flask==2.2.5\nwerkzeug==2.2.3\n")
    project.commit()
    said = project.init()
    assert "js_example:app" in said and "as its files" in said
    project.commit()
    project.fab("deploy")
    browser = project.browser()
    assert '"result":5.0' in browser.post("/add", a="2", b="3").replace(" ", "")
    assert project.as_service("python -c 'import flask; print(flask.__version__)'").strip() == "2.2.5"
    project.handed_over("/", project.changed("js_example/templates/fetch.html"))


CONFIGURED = (
    "SQLALCHEMY_DATABASE_URI = 'sqlite:////var/lib/ihatemoney/ihatemoney.db'",
    "SECRET_KEY = 'of-this-host-alone-and-long'",
    "SESSION_COOKIE_SECURE = False",
)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_factory_with_migrations_and_a_configuration_of_its_own(foreign: Any, unpacked: Any, venv: Any, tmp_path: Path) -> None:
    """A package that another tool builds (hatch), with translations compiled on the way. It migrates when it is loaded, and reads
    /etc/ihatemoney, which says where its database lasts."""
    unpacked("ihatemoney", "", tmp_path / "ihatemoney")
    project = foreign("ihatemoney", venv(str(tmp_path / "ihatemoney")))
    project.commit()
    said = project.init()
    assert "ihatemoney.wsgi:application" in said and "flask, loads here" in said and "as its wheel" in said
    assert "outside of the project, got /tmp/ihatemoney.db" in said and "SECRET_KEY is one that can be guessed" in said
    project.commit()
    project.fab("deploy")
    project.on_host("/etc/ihatemoney/ihatemoney.cfg", *CONFIGURED)
    project.shell.run("systemctl reload ihatemoney")
    browser = project.browser()
    assert "Manage your shared" in browser.get("/") and len(browser.get("/static/css/main.css")) > 1000
    token = browser.token("csrf_token", "/create")
    ours = {"id": "ours", "password": "secret"}
    told = {"name": "Our trip", "contact_email": "ann@example.org", "default_currency": "XXX"}
    assert "Our trip" in browser.post("/create", csrf_token=token, **ours, **told)
    # Not its page, which takes longer than a busy machine has for so many.
    project.handed_over("/healthcheck", project.changed("ihatemoney/templates/home.html"))
    other = project.browser()
    assert "Our trip" in other.post("/authenticate", csrf_token=other.token("csrf_token", "/authenticate"), **ours)
