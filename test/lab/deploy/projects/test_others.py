"""Projects of no framework that raab knows of: a tutorial of Falcon's, and a server of calendars that is a WSGI function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def test_falcons_tutorial_keeps_what_it_is_sent(foreign: Any, unpacked: Any, tmp_path: Path) -> None:
    """Its requirements lie in a folder, and a variable says where it writes."""
    unpacked("falcon", "examples/look", tmp_path / "look")
    project = foreign("look")
    project.write("requirements.txt", "-r requirements/look")
    said = project.init()
    assert "look.app:get_app()" in said and "as its files" in said
    project.write("deploy/config.yaml", "writable: [images]")
    project.on_host("/etc/look/environment", "LOOK_STORAGE_PATH=images")
    project.commit()
    project.fab("deploy")
    browser = project.browser()
    place = browser.send("POST", "/images", PICTURE, "image/png")["location"]
    project.handed_over("/images", project.changed("look/app.py"))
    assert place in browser.get("/images")
    assert browser.raw(place) == PICTURE
    assert len(project.shell.run("ls /var/lib/look/images").out.split()) == 1
