"""Releases that cannot serve, each in its own way, and what a host is to make of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from raab.drill.acts.lifecycle import SLOW_IMPORT
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service
from raab.drill.stage.variants import PACKAGES, Content

IMPORT = SLOW_IMPORT.format(seconds=1)
# The host's own limit for loading, while a release that hangs is tried.
LOAD_TIMEOUT = 4
NOT_READY = """
_ready = application
def application(environ, start_response):
    if environ["PATH_INFO"] != "/readyz":
        return _ready(environ, start_response)
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return [b""]
"""


@dataclass(frozen=True)
class Breakage:
    """One way in which a release is broken. `says` is a word of the reason that a reload gives; `hangs` if only a time limit ends it."""

    name: str
    what: str
    content: Content
    says: str
    hangs: bool = False


SETTING = f"{PACKAGES}/raab/config/setting.yaml"
CONFIG = Content(appended=(("gunicorn.py", "\nraise OSError('bad config')\n"),))
BREAKAGES = (
    Breakage("raises", "raises an exception at import", Content(before=f"{IMPORT}\nraise RuntimeError('no such table')"), "no such table"),
    Breakage("syntax", "is no Python", Content(before="def (:"), "SyntaxError"),
    Breakage("exits", "calls sys.exit at import", Content(before="import sys\nsys.exit('gone')"), ""),
    Breakage("dies", "calls os._exit at import", Content(before="import os\nos._exit(7)"), "7"),
    Breakage("hangs", "hangs at import", Content(before="import time\ntime.sleep(3600)"), f"{LOAD_TIMEOUT} s", hangs=True),
    Breakage("unready", "answers /readyz with 503", Content(after=NOT_READY), "503"),
    Breakage("yaml", "has a setting.yaml that is no YAML", Content(files=((SETTING, "base: [\n"),)), "setting.yaml"),
    Breakage("settings", "has a setting.yaml with an unknown key", Content(files=((SETTING, "base: {sever: {}}\n"),)), "sever"),
    Breakage("config", "has a gunicorn.py that raises", CONFIG, "bad config"),
    Breakage("server", "lacks gunicorn", Content(without=(f"{PACKAGES}/gunicorn",)), "gunicorn"),
)


def by_reload(scene: Scene, breakage: Breakage) -> None:
    """systemctl reload onto the broken release, then back; kill -HUP onto it, then back."""
    scene.each(lambda service: on(scene, service, breakage))


def on(scene: Scene, service: Service, breakage: Breakage) -> None:
    if breakage.hangs:
        service.settings(f"production: {{server: {{load_timeout: {LOAD_TIMEOUT}}}}}\n")
        service.systemctl("reload")
    before = service.status()
    bad = service.variant(breakage.content)
    service.switch(bad)
    since = time.time()
    with scene.phase(f"reload {name(service)}"):
        done = service.systemctl("reload", check=False)
    limit = LOAD_TIMEOUT + 3 if breakage.hangs else 5
    scene.fact(f"{name(service)}: systemctl reload refused", True, done.status != 0)
    scene.fact(f"{name(service)}: refused within {limit} s", True, done.seconds < limit)
    scene.fact(f"{name(service)}: the journal says {breakage.says!r}", True, breakage.says in service.journal(since))
    same_workers(scene, service, before.serving, "after the refused reload")
    hup(scene, service, before.serving)
    service.switch(scene.release)
    now = service.status()
    with scene.phase(f"repaired {name(service)}"):
        scene.fact(f"{name(service)}: exit status of the reload after the repair", 0, service.systemctl("reload", check=False).status)
    after = scene.settled(service, "after the repair", scene.release, workers=2)
    scene.fact(f"{name(service)}: new workers after the repair", 0, len({*now.serving} & {*after.serving}))


def hup(scene: Scene, service: Service, workers: tuple[int, ...]) -> None:
    """kill -HUP onto it: there is no trial, so its verdict is waited for where the service tells it."""
    last = service.status().reload
    with scene.phase(f"HUP {name(service)}"):
        service.kill("HUP")
        now = service.wait("through with HUP", lambda now: now.incoming is None and now.reload != last, LOAD_TIMEOUT + 20)
    scene.fact(f"{name(service)}: HUP refused", False, now.reload.good if now.reload else None)
    same_workers(scene, service, workers, "after the refused HUP")


def same_workers(scene: Scene, service: Service, workers: tuple[int, ...], when: str) -> None:
    status = service.status()
    scene.fact(f"{name(service)}: the old release {when}", scene.release, status.release)
    scene.fact(f"{name(service)}: the old workers {when}", workers, status.serving)
