"""What befalls deployers in the middle of it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from raab import exitcodes
from raab.drill.acts.deploys import deployed, everywhere
from raab.drill.scene import Scene, name
from raab.drill.stage.project import Project
from raab.drill.stage.proxy import Proxy
from raab.drill.stage.service import PATHS, Service

# An activation goes on without its deployer; what it ends on is looked at when it has ended.
SETTLED = "while systemctl -q is-active raab-activate; do sleep 0.02; done; basename $(readlink /opt/raab/current)"
COMPLETE = "test -e /opt/raab/current/manifest.json && test -x /opt/raab/current/venv/bin/python"
# The steps that a deploy tells, at which its deployer is killed.
STEPS = ("sending", "verifying", "loading", "switching", "handing over", "proving")
# Room for the conversation, and not for what a deploy sends.
SMALL = "mount -t tmpfs -o size=64k drill {cache}"
SHARES = (0.05, 0.5, 0.9, 1.0)


def deployer_killed(scene: Scene) -> None:
    """SIGKILL of the deployer at each step: every host ends on one complete release, the next deploy converges."""
    for step in scene.few(STEPS):
        scene.project.change(f"killed while {step}")
        wanted = str(scene.project.fab("build", "--json", env="").json["release"])
        before = [service.current for service in scene.services]
        with scene.phase(f"killed: {step}"):
            kill_at(scene.project, step)
            for service, was in zip(scene.services, before, strict=True):
                complete(scene, service, (was, wanted))
        everywhere(scene, deployed(scene, "deploy"), f"after the deploy that followed a death while {step}")


def kill_at(project: Project, step: str) -> None:
    """Runs a deploy until it tells that step, and kills it."""
    with project.start("deploy") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if step in line:
                break
        process.kill()


def complete(scene: Scene, service: Service, either: tuple[str, ...]) -> None:
    """The host is on one of these releases, whole, and serves it."""
    current = service.run(SETTLED).out.strip()
    scene.fact(f"{name(service)}: on the old or the new release", True, current in either)
    scene.fact(f"{name(service)}: that release is whole", 0, service.run(COMPLETE, check=False).status)
    scene.settled(service, "after that", current)


def ssh_cut(scene: Scene) -> None:
    """The deployer's connection is cut after a share of the bytes: a whole release, and the next deploy converges."""
    service = scene.services[0]
    host = scene.project.host(name(service))
    sent = 0
    for share in (2.0, *scene.few(SHARES)):
        scene.project.change(f"cut {share}")
        wanted = str(scene.project.fab("build", "--json", env="").json["release"])
        before = service.current
        with Proxy((host.address, host.port), cut=int(share * sent) if sent else None) as proxy:
            with scene.phase(f"cut after {share:.0%}" if sent else "deploy uncut"):
                done = scene.project.fab("deploy", env=scene.project.proxied(host, proxy.port), expect=None)
                current = service.run(SETTLED).out.strip()
            sent = sent or proxy.passed
        right = done.code in (exitcodes.DONE, exitcodes.UNREACHABLE)
        scene.fact("end of a deploy that was cut", "done or unreachable", "done or unreachable" if right else f"{done.code}: {done.said}")
        scene.fact("release of a deploy that was cut", wanted if done.code == exitcodes.DONE else before, current)
        complete(scene, service, (before, wanted))
    everywhere(scene, deployed(scene, "deploy"), "after the deploy that followed the cuts")


def two_deployers(scene: Scene) -> None:
    """A second deployer while the first is held up: refused with the first one's name; with --wait it follows."""
    scene.project.change("two deployers")
    scene.project.fab("build", env="")
    before = [service.status() for service in scene.services]
    with held_up(scene.project) as first:
        with scene.phase("second deployer"):
            second = scene.project.fab("deploy", expect=None)
        scene.fact("exit code of the second deployer", exitcodes.LOCKED, second.code)
        scene.fact("it is told who and what", True, "lock: held for deploy of" in second.err + second.out)
        for service, was in zip(scene.services, before, strict=True):
            scene.fact(f"{name(service)}: workers while the first is held up", was.serving, service.status().serving)
        with scene.phase("first goes on"):
            first.send_signal(signal.SIGCONT)
            first.communicate(timeout=120)
    scene.fact("exit code of the first deployer", exitcodes.DONE, first.returncode)
    everywhere(scene, scene.services[0].current, "after both")


@contextmanager
def held_up(project: Project) -> Iterator[subprocess.Popen[str]]:
    """A deploy that is stopped when it has the lock and sends."""
    with project.start("deploy") as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if "sending" in line:
                    break
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def disk_full(scene: Scene) -> None:
    """The disk fills up while a deploy is staged: refused before anything is switched; with room again it works."""
    before = [service.status() for service in scene.services]
    scene.project.change("disk full")
    service = scene.services[0]
    service.run(SMALL.format(cache=PATHS.cache))
    try:
        with scene.phase(f"disk full {name(service)}"):
            done = scene.project.fab("deploy", expect=None)
    finally:
        service.run(f"umount {PATHS.cache}")
    scene.fact("exit code of a deploy to a full disk", exitcodes.REFUSED, done.code)
    scene.fact("no traceback", False, "Traceback" in done.out + done.err)
    for service, was in zip(scene.services, before, strict=True):
        scene.fact(f"{name(service)}: workers after the full disk", was.serving, service.status().serving)
    everywhere(scene, deployed(scene, "deploy"), "with room again")
