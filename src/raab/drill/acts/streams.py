"""Long-lived connections over a reload: thousands that say nothing, each told properly that it ends, and not all at once."""

from __future__ import annotations

import math
from collections import Counter

from raab.drill.acts.lifecycle import another, reload_to
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service
from raab.drill.traffic.watchers import Ending, Watchers

# On each host.
STREAMS = 1500
SOCKETS = 200
# Of the service's settings; with it a run is as long as the reload of a service that has such clients.
GRACE = 20
SETTINGS = f"base: {{server: {{graceful_timeout: {GRACE}, linger: 5, workers: 4}}}}\n"


def streams(scene: Scene) -> None:
    """Reloads all hosts, again and again, while as many clients watch as a small service has."""
    scene.each(lambda service: prepared(scene, service))
    share = scene.times if scene.times < 1 else 1.0
    count = [max(10, math.ceil(number * share)) for number in (STREAMS, SOCKETS)]
    for service in scene.services:
        with Watchers([service.address], *count) as watchers:
            for _ in scene.rounds(3):
                over_a_reload(scene, service, watchers)


def prepared(scene: Scene, service: Service) -> None:
    service.settings(SETTINGS)
    service.systemctl("reload")
    scene.settled(service, "with its settings", scene.release)


def over_a_reload(scene: Scene, service: Service, watchers: Watchers) -> None:
    release, known = another(scene, service), len(watchers.report().endings)
    reload_to(scene, service, release)
    endings = watchers.wait(GRACE + 15, release).endings[known:]
    scene.fact(f"{name(service)}: clients that were told of the end", watchers.count, len(endings))
    scene.fact(f"{name(service)}: of these not by their protocol", {}, dict(Counter(one.how for one in endings if not one.whole)))
    # Evenly, it would be one part in the seconds that there are.
    scene.fact(
        f"{name(service)}: most that come back within one second are few", True, busiest(endings) <= max(5, 4 * len(endings) / GRACE)
    )


def busiest(endings: tuple[Ending, ...]) -> int:
    """The most endings within one second of the clock."""
    return max(Counter(int(ending.at) for ending in endings).values(), default=0)
