"""What happens to a host on a bad day."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import paramiko

from raab.drill.acts.lifecycle import reload_once
from raab.drill.scene import LONG, Scene, name
from raab.drill.stage.service import Service
from raab.drill.traffic.values import Client, Kind
from raab.errors import RaabError
from raab.lab import lab as lifecycle

CUT = frozenset({Kind.RESET, Kind.TRUNCATED})
# A stopped worker holds what it has accepted until it is killed; a new connection is not among that.
HELD = CUT | {Kind.TIMED_OUT}
# The host's own limit for a worker that gives no sign of life, while one is stopped.
TIMEOUT = 4
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: abuse\r\nX-Slow: "
HALF_A_BODY = b"POST /echo HTTP/1.1\r\nHost: abuse\r\nContent-Length: 1000\r\n\r\nhalf"
NONSENSE = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP at all\r\n\r\n"
ABUSERS = 100
# The moment of this boot; the kernel's own boot id is the same for all lab hosts.
BOOT = "systemctl show --property=UserspaceTimestampMonotonic"


def worker_killed(scene: Scene) -> None:
    """SIGKILL of a worker, as by a person."""

    def once(service: Service) -> None:
        before = service.status()
        victim = before.serving[0]
        with scene.phase(f"SIGKILL of a worker {name(service)}"):
            with scene.excused(service, kinds=CUT):
                service.kill("KILL", victim)
            after = service.wait("two workers again", lambda now: now.settled and victim not in now.serving, 15)
        scene.fact(f"{name(service)}: the other worker stays", True, set(before.serving) - {victim} < set(after.serving))
        scene.fact(f"{name(service)}: the same release", scene.release, after.release)

    for _ in scene.rounds(5):
        scene.each(once)


def worker_stopped(scene: Scene) -> None:
    """SIGSTOP of one worker: it is found, killed and replaced; whoever comes new is served by the other one."""
    scene.each(lambda service: stopped(scene, service, how_many=1))


def workers_hung(scene: Scene) -> None:
    """SIGSTOP of all workers: the service comes back by itself, and connections wait for it."""
    scene.each(lambda service: stopped(scene, service, how_many=2))


def stopped(scene: Scene, service: Service, how_many: int) -> None:
    # Killed soon, so that the drill is short.
    service.settings(f"production: {{server: {{timeout: {TIMEOUT}}}}}\n")
    service.systemctl("reload")
    before = scene.settled(service, "with a short time limit", scene.release, workers=2)
    victims = before.serving[:how_many]
    with scene.phase(f"SIGSTOP of {how_many} {name(service)}"):
        begun = time.monotonic()
        with scene.excused(service, frozenset(Client) - {Client.FRESH, Client.BURST}, HELD), ExitStack() as stack:
            with scene.excused(service):
                service.run(f"kill -STOP {' '.join(map(str, victims))}")
            if how_many > 1:
                # Nobody is served meanwhile; what had come into a worker's hands is lost with it, the others wait.
                stack.enter_context(scene.excused(service, kinds=CUT))
            after = service.wait("two workers again", lambda now: now.settled and not {*victims} & {*now.serving}, TIMEOUT + 20)
    scene.fact(f"{name(service)}: replaced within {TIMEOUT + 6} s", True, time.monotonic() - begun < TIMEOUT + 6)
    scene.fact(f"{name(service)}: the same master", before.pid, after.pid)


def master_killed(scene: Scene) -> None:
    """SIGKILL of the master: systemd starts it again; connections wait."""

    def once(service: Service) -> None:
        before = service.status()
        with scene.phase(f"SIGKILL of the master {name(service)}"), scene.excused(service, LONG, CUT):
            service.kill("KILL", before.pid)
            after = service.wait("up again", lambda now: now.settled and now.pid != before.pid, 40)
        scene.fact(f"{name(service)}: systemd's MainPID", after.pid, service.main_pid())
        scene.fact(f"{name(service)}: release after SIGKILL of the master", scene.release, after.release)

    for _ in scene.rounds(3):
        scene.each(once)
        scene.each(Service.calm)


def reboot(scene: Scene) -> None:
    """One host reboots; it comes back with what it served, the other serves on."""
    service = scene.services[0]
    service.run("raab scale 3")
    boot = service.run(BOOT).out
    with scene.phase(f"reboot {name(service)}"), scene.excused(service):
        with suppress(RaabError, OSError, paramiko.SSHException, EOFError):
            service.shell.run("systemctl reboot", timeout=5)
        time.sleep(0.5)
        after = back(service)
    scene.fact(f"{name(service)}: has booted anew", True, service.run(BOOT).out != boot)
    scene.fact(f"{name(service)}: release after the reboot", scene.release, after)
    scene.fact(f"{name(service)}: workers after the reboot", 3, len(service.status().serving))


def power_loss(scene: Scene) -> None:
    """One host loses its power at a moment of a reload, and gets it back."""
    assert scene.lab is not None
    service = scene.services[0]
    for _ in scene.rounds(3):
        with scene.phase(f"power loss {name(service)}"), scene.excused(service):
            service.run("systemctl --no-block reload raab")
            time.sleep(scene.random.uniform(0, 2))
            lifecycle.kill(scene.lab, name(service))
            lifecycle.start(scene.lab, name(service))
            after = back(service)
        scene.fact(f"{name(service)}: release after the power loss", scene.release, after)


def back(service: Service, seconds: float = 40) -> str:
    """Waits until the host can be reached and its service has settled; returns the release that serves."""
    end = time.monotonic() + seconds
    while True:
        try:
            return service.wait("settled", lambda now: now.settled, max(1.0, end - time.monotonic())).release
        except (OSError, paramiko.SSHException, EOFError):
            service.shell.close()
            if time.monotonic() > end:
                raise RaabError(f"{name(service)}: not back within {seconds:.0f} s") from None
            time.sleep(0.1)


def slow_clients(scene: Scene) -> None:
    """Slow and abusive clients on every host while it reloads: the reload does not wait for them, nor does anybody else."""
    with ExitStack() as stack:
        for service in scene.services:
            stack.enter_context(abused(service))

        def once(service: Service) -> None:
            begun = time.monotonic()
            reload_once(scene, service)
            scene.fact(f"{name(service)}: reload within 10 s", True, time.monotonic() - begun < 10)

        for _ in scene.rounds(3):
            scene.each(once)


@contextmanager
def abused(service: Service) -> Iterator[None]:
    """Connections that send half a head, half a body, or no HTTP, and then nothing."""
    with ExitStack() as stack:
        for number in range(ABUSERS):
            connection = stack.enter_context(socket.create_connection(service.address, timeout=10))
            connection.sendall((HALF_A_HEAD, HALF_A_BODY, NONSENSE)[number % 3])
        yield
