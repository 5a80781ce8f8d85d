"""What operators do on a host on a good day, as drills do it: the way people type it."""

from __future__ import annotations

from raab.drill.scene import Scene, name
from raab.drill.stage.service import SETTINGS, Service
from raab.drill.stage.variants import Content

# As the drills' releases have it (raab.drill.stage.project), for those that are made on the host.
SLOW_IMPORT = "import time\ntime.sleep({seconds})"


def reload(scene: Scene) -> None:
    """systemctl reload onto another release, again and again."""
    for _ in scene.rounds(100):
        scene.each(lambda service: reload_once(scene, service))


def reload_once(scene: Scene, service: Service) -> None:
    reload_to(scene, service, another(scene, service))


def reload_to(scene: Scene, service: Service, release: str) -> None:
    before = service.status()
    service.switch(release)
    with scene.phase(f"reload {name(service)}"):
        done = service.systemctl("reload", check=False)
    scene.fact(f"{name(service)}: exit status of systemctl reload", 0, done.status)
    after = scene.settled(service, "after the reload", release, workers=before.target)
    scene.fact(f"{name(service)}: workers that were there before", 0, len({*before.serving} & {*after.serving}))
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)


def another(scene: Scene, service: Service) -> str:
    """A release beside the current one that serves as it does; two take turns."""
    current = service.current
    if current == scene.release:
        return service.variant(Content(before=SLOW_IMPORT.format(seconds=1)))
    return scene.release


def hup(scene: Scene) -> None:
    """kill -HUP: a reload without the trial."""
    for _ in scene.rounds(50):
        scene.each(lambda service: hup_once(scene, service))


def hup_once(scene: Scene, service: Service) -> None:
    release, before = another(scene, service), service.status()
    service.switch(release)
    with scene.phase(f"HUP {name(service)}"):
        service.kill("HUP", before.pid)
        service.reloaded(before)
    after = scene.settled(service, "after HUP", release, workers=before.target)
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)


def replace_master(scene: Scene) -> None:
    """kill -USR2: a new master, which systemd has to follow."""
    for _ in scene.rounds(25):
        scene.each(lambda service: replace_master_once(scene, service))


def replace_master_once(scene: Scene, service: Service) -> None:
    before, restarts = service.status(), service.show("NRestarts")
    with scene.phase(f"USR2 {name(service)}"):
        service.kill("USR2", before.pid)
        after = service.reloaded(before)
    scene.fact(f"{name(service)}: a new master", True, after.pid != before.pid)
    scene.fact(f"{name(service)}: systemd's MainPID", after.pid, service.main_pid())
    scene.fact(f"{name(service)}: restarts counted by systemd", restarts, service.show("NRestarts"))


def restart(scene: Scene) -> None:
    """systemctl restart: connections wait at the socket that systemd keeps."""

    def once(service: Service) -> None:
        before = service.status()
        with scene.phase(f"restart {name(service)}"):
            done = service.systemctl("restart", check=False)
            after = scene.settled(service, "after the restart", scene.release, workers=2)
        scene.fact(f"{name(service)}: exit status of systemctl restart", 0, done.status)
        scene.fact(f"{name(service)}: a new master", True, after.pid != before.pid)

    for _ in scene.rounds(3):
        scene.each(once)
        scene.each(Service.calm)


def hup_storm(scene: Scene) -> None:
    """Twenty HUPs within a second: reloads end, few are made, the newest release serves."""

    def once(service: Service) -> None:
        release, before = another(scene, service), service.status()
        service.switch(release)
        with scene.phase(f"20 HUPs {name(service)}"):
            service.run(f"for n in $(seq 20); do kill -HUP {before.pid}; sleep 0.04; done")
            service.reloaded(before)
            service.run("sleep 1.5")
            after = scene.settled(service, "after 20 HUPs", release, workers=2)
        scene.fact(f"{name(service)}: fewer generations than HUPs", True, after.generation < before.generation + 20)

    scene.each(once)


def settings(scene: Scene) -> None:
    """A reload takes up the host's own settings; one that are none is refused with the file's line."""

    def once(service: Service) -> None:
        service.settings("production: {server: {workers: 3}}\n")
        with scene.phase(f"good settings {name(service)}"):
            service.systemctl("reload")
        scene.settled(service, "with three workers in the settings", scene.release, workers=3)
        service.settings("production: {server: {wokers: 4}}\n")
        with scene.phase(f"bad settings {name(service)}"):
            done = service.systemctl("reload", check=False)
        scene.fact(f"{name(service)}: reload of an unknown key refused", True, done.status != 0)
        scene.settled(service, "after the refused settings", scene.release, workers=3)
        # Errors alone: the access lines of a second are hundreds.
        errors = "journalctl --unit raab --no-pager --priority err --lines 40"
        told = service.run(f"{errors} | grep -c '{SETTINGS}:1: .*wokers'", check=False).out.strip()
        scene.fact(f"{name(service)}: the journal names file, line and key", True, told not in ("", "0"))

    scene.each(once)
