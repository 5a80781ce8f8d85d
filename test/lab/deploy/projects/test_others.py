"""Projects of no framework that raab knows of: a tutorial of Falcon's, and a server of calendars that is a WSGI function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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


EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20261127T080000Z
DTSTART:20261127T080000Z
SUMMARY:Landing
END:VEVENT
END:VCALENDAR
"""


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_server_of_calendars(foreign: Any, unpacked: Any, tmp_path: Path) -> None:
    """Radicale: a function of environ and start_response; its pages, its configuration and its data are where they are by default."""
    unpacked("radicale", "", tmp_path / "radicale")
    project = foreign("radicale")
    project.commit()
    assert "radicale:application" in project.init()
    project.commit()
    project.fab("deploy")
    project.on_host("/etc/radicale/config", "[auth]", "type = none")
    project.shell.run("systemctl reload radicale")
    browser = project.browser()
    assert "Radicale" in browser.get("/.web/") and len(browser.get("/.web/css/main.css")) > 1000
    browser.login("ann", "secret")
    browser.send("PUT", "/ann/trips", EVENT.replace("\n", "\r\n").encode(), "text/calendar")
    project.handed_over("/.web/", project.changed("radicale/log.py"))
    assert "SUMMARY:Landing" in browser.get("/ann/trips/")
