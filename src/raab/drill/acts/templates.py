"""A generation loads its application once, in a template that its workers are forked from: what happens when that dies or hangs."""

from __future__ import annotations

from functools import partial

from raab.drill.acts.faults import CUT
from raab.drill.acts.lifecycle import SLOW_IMPORT, reload_to
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service
from raab.drill.stage.standing import Status
from raab.drill.stage.variants import Content

# Each process that imports the application leaves its number in this file.
IMPORTS = "/run/raab/drill-imports"
NOTED = f"""\
import os
with open("{IMPORTS}", "a") as drill_imports:
    print(os.getpid(), file=drill_imports)
{SLOW_IMPORT.format(seconds=1)}
"""
# The comm of the template and how many there are, once those of generations that retire have ended.
TEMPLATES = """\
for n in $(seq 50); do [ "$(pgrep --count --exact template)" = 1 ] && break; sleep 0.1; done
cat /proc/{pid}/comm; pgrep --count --exact template"""
# Seconds in which a template that hangs is noticed, killed and made anew: five of silence, and an import.
HANG = 15


def noted(scene: Scene, service: Service) -> None:
    """Has the host serve a release that tells who has imported it."""
    reload_to(scene, service, service.variant(Content(before=NOTED)))
    told = service.run(TEMPLATES.format(pid=template(service.status())), check=False).out
    scene.fact(f"{name(service)}: name of the template, and how many have it", ["template", "1"], told.split())


def template(status: Status) -> int:
    """The process that workers are forked from now; 0 while there is none."""
    return next((one.pid for one in status.templates if one.ready and one.generation == status.generation), 0)


def forked(scene: Scene, service: Service, when: str) -> None:
    """Notes that nobody but the template that serves has imported the application since it did."""
    last = service.run(f"tail --lines 1 {IMPORTS}").out.strip()
    scene.fact(f"{name(service)}: who imported the application last, {when}", template(service.status()), last)


def template_killed(scene: Scene) -> None:
    """SIGKILL of the template, and of the next one while it loads; the third serves whoever asks."""
    scene.each(partial(noted, scene))
    for _ in scene.rounds(5):
        scene.each(partial(template_killed_once, scene))


def template_killed_once(scene: Scene, service: Service) -> None:
    before = service.status()
    killed = {template(before)}
    with scene.phase(f"SIGKILL of the template {name(service)}"):
        service.kill("KILL", template(before))
        loading = service.wait("with another template", lambda now: bool({one.pid for one in now.templates} - killed))
    killed |= {one.pid for one in loading.templates}
    with scene.phase(f"SIGKILL of the template that loads {name(service)}"):
        service.run(f"kill -KILL {' '.join(str(one.pid) for one in loading.templates)}")
        after = service.wait("with a third template", lambda now: template(now) not in {0, *killed})
    scene.fact(f"{name(service)}: workers that no template's death touches", before.serving, after.serving)
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)
    with scene.phase(f"SIGKILL of a worker {name(service)}"):
        with scene.excused(service, kinds=CUT):
            service.kill("KILL", before.serving[0])
        service.wait("two workers again", lambda now: now.settled and before.serving[0] not in now.serving, 15)
    for workers in (3, 2):
        with scene.phase(f"scale {workers} {name(service)}"):
            service.run(f"raab scale {workers}")
    scene.settled(service, "with the third template", before.release, workers=2)
    forked(scene, service, "after two templates' deaths")


def template_stopped(scene: Scene) -> None:
    """SIGSTOP of the template: it is made anew, and whoever scales meanwhile gets what was asked for."""
    scene.each(partial(noted, scene))
    for _ in scene.rounds(2):
        scene.each(partial(template_stopped_once, scene))


def template_stopped_once(scene: Scene, service: Service) -> None:
    before = service.status()
    victim = template(before)
    with scene.phase(f"scale 3 while the template is stopped {name(service)}"):
        service.kill("STOP", victim)
        done = service.run("raab scale 3", check=False)
    after = scene.settled(service, "after the template was stopped", before.release, workers=3)
    scene.fact(f"{name(service)}: raab scale 3 while the template is stopped", "workers: 2 -> 3", done.out.strip() or done.err.strip())
    scene.fact(f"{name(service)}: fulfilled within {HANG} s", True, done.seconds < HANG)
    scene.fact(f"{name(service)}: another template", True, template(after) not in (0, victim))
    scene.fact(f"{name(service)}: exit status of kill -0 of the stopped one", 1, service.run(f"kill -0 {victim}", check=False).status)
    scene.fact(f"{name(service)}: workers that stay", 2, len({*before.serving} & {*after.serving}))
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)
    forked(scene, service, "after the template was stopped")
    service.run("raab scale 2")


def workers_killed(scene: Scene) -> None:
    """SIGKILL of all workers at once: others are forked before anybody has waited for as long as an import takes."""
    scene.each(partial(noted, scene))
    for _ in scene.rounds(3):
        scene.each(partial(workers_killed_once, scene))


def workers_killed_once(scene: Scene, service: Service) -> None:
    before = service.status()
    with scene.phase(f"SIGKILL of all workers {name(service)}"):
        with scene.excused(service, kinds=CUT):
            service.run(f"kill -KILL {' '.join(map(str, before.serving))}")
        after = service.wait("two workers again", lambda now: now.settled and not {*before.serving} & {*now.serving}, 15)
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)
    scene.fact(f"{name(service)}: the same template", template(before), template(after))
    scene.fact(f"{name(service)}: the same release", before.release, after.release)
    forked(scene, service, "after all workers' deaths")
