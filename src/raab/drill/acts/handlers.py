"""An application that makes of signals what it likes, as libraries do that want to be told of the end: it leaves all the same."""

from __future__ import annotations

import time

from raab.drill.acts.lifecycle import reload_to
from raab.drill.scene import Scene, name, target
from raab.drill.stage.service import Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.values import Client

# In a view, since what a module does while it is loaded is undone before the worker serves; at its first request, since all of this at each
# of a thousand a second would take half a processor.
REPLACED = """
import signal
_plain = application
_numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
def application(environ, start_response):
    while _numbers:
        signal.signal(_numbers.pop(), signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
    return _plain(environ, start_response)
"""


def replaced(scene: Scene) -> None:
    """Reloads onto it and away from it, again and again."""
    for _ in scene.rounds(5):
        scene.each(lambda service: left(scene, service))


def left(scene: Scene, service: Service) -> None:
    reload_to(scene, service, service.variant(Content(after=REPLACED)))
    # Until both workers have answered, and so replaced the handlers.
    time.sleep(0.5)
    reload_to(scene, service, scene.release)
    done = time.monotonic()
    time.sleep(1)
    new = [s for s in scene.load.account.samples if s.client is Client.FRESH and s.target == target(service) and s.at > done]
    scene.fact(
        f"{name(service)}: releases that answer new connections after the reload", {scene.release}, {s.label for s in new if s.label}
    )
