"""What deployers do: deploy, go back, and deploy what cannot work."""

from __future__ import annotations

from raab import exitcodes
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service


def deploy(scene: Scene) -> None:
    """fab deploy of changed code, again and again, then of the same."""
    for number in scene.rounds(5):
        scene.project.change(f"deploy {number}")
        release = deployed(scene, "deploy")
        everywhere(scene, release, "after the deploy")
    before = [service.status() for service in scene.services]
    with scene.phase("deploy of the same"):
        again = scene.project.fab("deploy", expect=None)
    scene.fact("exit code of a deploy of what runs", exitcodes.DONE, again.code)
    for service, was in zip(scene.services, before, strict=True):
        scene.fact(f"{name(service)}: workers after a deploy of what runs", was.serving, service.status().serving)


def deployed(scene: Scene, *words: str) -> str:
    """A verb that has to end well on every host, and to measure no loss itself; returns the release."""
    with scene.phase(words[0]):
        done = scene.project.fab(*words, "--json").json
    scene.fact(f"requests that fab {words[0]} itself saw lost", 0, sum(host["probe"]["failed"] for host in done["hosts"]))
    return str(done["hosts"][0]["release"])


def everywhere(scene: Scene, release: str, when: str) -> None:
    """Every host serves that release with all its workers, and names it as its current one."""

    def once(service: Service) -> None:
        scene.settled(service, when, release)
        scene.fact(f"{name(service)}: current {when}", release, service.current)

    scene.each(once)


def rollback(scene: Scene) -> None:
    """A deploy and fab rollback, there and back again."""
    for number in scene.rounds(3):
        scene.project.change(f"rollback {number}")
        new = deployed(scene, "deploy")
        everywhere(scene, new, "after the deploy")
        everywhere(scene, deployed(scene, "rollback", "--to", scene.release), "after the rollback")


def broken_deploy(scene: Scene) -> None:
    """fab deploy of a release that cannot be imported: refused by the first host, the others untouched."""
    refused(scene, "raise RuntimeError('no such table')", in_workers=False)


def reverted_deploy(scene: Scene) -> None:
    """fab deploy of a release that passes its trial and fails in workers: the first host goes back by itself."""
    # The trial of another gunicorn.py is a program of raab's own, a worker a child of gunicorn's.
    refused(scene, "import sys\nif sys.argv[0].endswith('gunicorn'): raise RuntimeError('no such table')", in_workers=True)


def refused(scene: Scene, statement: str, in_workers: bool) -> None:
    """`in_workers`: whether it is the hand-over that finds out, and not the trial before it; the reason says so."""
    before = [service.status() for service in scene.services]
    scene.project.spoil(statement, another_server=in_workers)
    try:
        with scene.phase("broken deploy"):
            done = scene.project.fab("deploy", "--json", expect=None)
    finally:
        scene.project.spoil("")
    scene.fact("exit code of a broken deploy", exitcodes.FAILED, done.code)
    reason = done.json["hosts"][0]["reason"]
    scene.fact("the reason is told", True, "no such table" in reason)
    scene.fact("refused by the hand-over", in_workers, reason.startswith("reload: "))
    scene.fact("results", ["failed"] + ["untouched"] * (len(before) - 1), [host["result"] for host in done.json["hosts"]])
    everywhere(scene, scene.release, "after the broken deploy")
    for service, was in list(zip(scene.services, before, strict=True))[1:]:
        scene.fact(f"{name(service)}: workers of a host that was not switched", was.serving, service.status().serving)
