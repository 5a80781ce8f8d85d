"""Applications that hold what forks cannot share: each worker loads them by itself, and everybody is told why."""

from __future__ import annotations

import time

from raab.drill.acts.faults import CUT
from raab.drill.acts.lifecycle import reload_to
from raab.drill.acts.templates import IMPORTS, NOTED
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service
from raab.drill.stage.variants import Content

# What two forks send on one connection is mixed up. Its other end is here as well, so that it needs no server of its own.
CONNECTION = """\
import socket
drill_listener = socket.create_server(("127.0.0.1", 0))
drill_connection = socket.create_connection(drill_listener.getsockname())
drill_end = drill_listener.accept()[0]
drill_listener.close()
"""
# A fork lacks its parent's threads (fork(2)). gevent's own threading makes greenlets; libraries in C make these.
THREAD = """\
from gevent import monkey
monkey.get_original("_thread", "start_new_thread")(monkey.get_original("time", "sleep"), (3600,))
"""


def connection(scene: Scene) -> None:
    """An application that opens a connection when it is imported."""
    scene.each(lambda service: served(scene, service, CONNECTION, "connection to 127.0.0.1:"))


def thread(scene: Scene) -> None:
    """An application that starts a native thread when it is imported."""
    scene.each(lambda service: served(scene, service, THREAD, "native thread"))


def served(scene: Scene, service: Service, statements: str, says: str) -> None:
    """Reloads onto it, scales, replaces a killed worker and reloads back: seamless as for others, only that every worker imports."""
    since = time.time()
    release = service.variant(Content(before=f"{NOTED}\n{statements}"))
    reload_to(scene, service, release)
    status = service.status()
    scene.fact(f"{name(service)}: how it is loaded", "each, by 0 templates", f"{status.load.mode}, by {len(status.templates)} templates")
    for where, text in (
        ("the status document", status.load.why),
        ("raab status", service.run("raab status").out),
        ("the journal", service.journal(since)),
    ):
        scene.fact(f"{name(service)}: {where} says {says!r}", True, says in text)
    with scene.phase(f"scale 3 {name(service)}"):
        done = service.run("raab scale 3", check=False)
    scene.fact(f"{name(service)}: raab scale 3", "workers: 2 -> 3", done.out.strip() or done.err.strip())
    victim = status.serving[0]
    with scene.phase(f"SIGKILL of a worker {name(service)}"):
        with scene.excused(service, kinds=CUT):
            service.kill("KILL", victim)
        after = service.wait("three workers again", lambda now: now.settled and victim not in now.serving, 15)
    imported = {int(pid) for pid in service.run(f"cat {IMPORTS}").out.split()}
    scene.fact(f"{name(service)}: workers that did not import it themselves", set(), {*after.serving} - imported)
    reload_to(scene, service, scene.release)
    scene.fact(f"{name(service)}: how the next release is loaded", "shared", service.status().load.mode)
