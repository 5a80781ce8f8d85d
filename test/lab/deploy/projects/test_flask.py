"""Flask projects: its tutorial, one without setup files and with an old Flask, one with a factory and migrations."""

from __future__ import annotations

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
