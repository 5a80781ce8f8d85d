"""What operators change on a host besides the release: the addresses that are served, and the secrets."""

from __future__ import annotations

import json
import random

from raab.drill.scene import Scene, name
from raab.drill.stage.service import PATHS, Service

SECRET = "security.secret_key"
# Where systemd puts it for the service (systemd.exec(5), LoadCredential= of a folder), from a plain file and from an encrypted one.
GIVEN = tuple(f"/run/credentials/raab.service/{prefix}_{SECRET}" for prefix in ("raab", "sealed"))


def moved(scene: Scene) -> None:
    """From one address to another and back by reload, each including the one at which the traffic comes."""
    for _ in scene.rounds(5):
        scene.each(lambda service: moved_once(scene, service))


def moved_once(scene: Scene, service: Service) -> None:
    host, port = service.address
    for binds in (["[::]:{}"], ["0.0.0.0:{}", f"127.0.0.1:{port + 1}"], [host + ":{}"], ["0.0.0.0:{}"]):
        wanted = [bind.format(port) for bind in binds]
        service.settings(f"production: {{server: {{bind: {json.dumps(wanted)}}}}}\n")
        reloaded(scene, service, f"to {' and '.join(wanted)}")


def rotated(scene: Scene) -> None:
    """A new secret by reload, again and again: as an operator puts it on a host, and as a deployer brings it to all of them."""
    for _ in scene.rounds(20):
        scene.each(lambda service: rotated_once(scene, service))
    for _ in scene.rounds(3):
        brought(scene)
    scene.each(lambda service: given_up(scene, service))


def rotated_once(scene: Scene, service: Service) -> None:
    secret = another()
    service.shell.put(f"{PATHS.configuration}/credentials/{SECRET}", secret)
    before = service.status()
    reloaded(scene, service, "with another secret")
    after = service.status()
    scene.fact(f"{name(service)}: workers that were there before", 0, len({*before.serving} & {*after.serving}))
    found(scene, service, secret)


def another() -> str:
    # A number is enough of a secret where nobody is to be kept out.
    return f"{random.getrandbits(256):064x}"


def brought(scene: Scene) -> None:
    secret = another()
    with scene.phase("fab secrets set, fab reload"):
        scene.project.fab("secrets", "set", SECRET, stdin=secret)
        scene.project.fab("reload")
    scene.each(lambda service: taken_up(scene, service, secret))


def taken_up(scene: Scene, service: Service, secret: str) -> None:
    scene.settled(service, "after fab reload with another secret", scene.release, workers=2)
    found(scene, service, secret)


def found(scene: Scene, service: Service, secret: str) -> None:
    look = "cat {} 2>/dev/null"
    workers = service.status().serving
    held = {service.run(look.format(" ".join(f"/proc/{pid}/root{place}" for place in GIVEN)), check=False).out for pid in workers}
    scene.fact(f"{name(service)}: secrets that the workers find", {secret}, held)


def given_up(scene: Scene, service: Service) -> None:
    service.run(f"rm -f {PATHS.secrets}/{SECRET} {PATHS.sealed}/{SECRET}")
    reloaded(scene, service, "without a secret of its own")


def reloaded(scene: Scene, service: Service, what: str) -> None:
    with scene.phase(f"reload {name(service)} {what}"):
        done = service.systemctl("reload", check=False)
    scene.fact(f"{name(service)}: exit status of systemctl reload {what}", 0, done.status)
    scene.settled(service, f"after the reload {what}", scene.release, workers=2)
