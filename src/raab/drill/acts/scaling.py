"""The number of workers: changed by people, and kept over everything."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from raab.drill.acts.templates import forked, noted
from raab.drill.scene import LONG, Scene, name
from raab.drill.stage.service import Service
from raab.drill.stage.standing import Status


def scale(scene: Scene) -> None:
    """raab scale 1, 8, 2: prints before and after, and it is so when it returns."""
    for _ in scene.rounds(3):
        scene.each(lambda service: scale_through(scene, service, 2, 1, 8, 2))


def scale_loop(scene: Scene) -> None:
    """raab scale 16 and 1, again and again: nobody imports anything for it."""
    scene.each(partial(noted, scene))
    scene.each(lambda service: scale_through(scene, service, 2, 1))
    for _ in scene.rounds(5):
        scene.each(lambda service: scale_through(scene, service, 1, 16, 1))
    scene.each(lambda service: forked(scene, service, "after the scaling"))


def scale_through(scene: Scene, service: Service, *workers: int) -> None:
    """From the first number, which the service has, to each of the others."""
    for before, after in pairwise(workers):
        with scene.phase(f"scale {after} {name(service)}"):
            done = service.run(f"raab scale {after}", check=False)
        scene.fact(f"{name(service)}: raab scale {after}", f"workers: {before} -> {after}", done.out.strip() or done.err.strip())
        scene.fact(f"{name(service)}: workers serving at once after raab scale {after}", after, len(service.status().serving))


def signals(scene: Scene) -> None:
    """kill -TTIN and -TTOU: one worker more, one fewer, the others stay."""
    for _ in scene.rounds(3):
        scene.each(lambda service: signals_once(scene, service))


def signals_once(scene: Scene, service: Service) -> None:
    before = service.status()
    for signal, wanted in (("TTIN", 3), ("TTOU", 2)):
        with scene.phase(f"{signal} {name(service)}"):
            service.kill(signal, before.pid)
            after = service.wait(f"at {wanted} workers", partial(has, wanted))
        stayed = len({*before.serving} & {*after.serving})
        scene.fact(f"{name(service)}: workers that stayed through {signal}", True, stayed >= min(wanted, 2) - (signal == "TTOU"))


def has(workers: int, status: Status) -> bool:
    return status.settled and status.target == workers


def keep_target(scene: Scene) -> None:
    """Scaled to three, then everything that could forget it."""
    scene.each(to_three)
    for what, command in (
        ("reload", "systemctl reload raab"),
        ("restart", "systemctl restart raab"),
        ("SIGKILL of the master", "kill -KILL $(systemctl show --property=MainPID --value raab)"),
    ):
        scene.each(partial(keep_target_through, scene, what, command))
        scene.each(Service.calm)


def to_three(service: Service) -> None:
    service.run("raab scale 3")


def keep_target_through(scene: Scene, what: str, command: str, service: Service) -> None:
    before = service.status()
    with scene.phase(f"{what} {name(service)}"), scene.excused(service, LONG if "KILL" in what else frozenset()):
        service.run(command, timeout=90)
        after = service.wait(f"serving after {what}", lambda now: now.settled and now.serving != before.serving, 40)
    scene.fact(f"{name(service)}: workers after {what}", 3, len(after.serving))
