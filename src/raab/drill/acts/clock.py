"""A host's clock that goes back by a year: lab hosts share this machine's, so it is the service's own that is moved."""

from __future__ import annotations

import time
import urllib.request
from email.utils import parsedate_to_datetime

from raab.drill.acts.lifecycle import SLOW_IMPORT, reload_to
from raab.drill.scene import Scene, name
from raab.drill.stage.service import SETTINGS, Service
from raab.drill.stage.variants import PACKAGES, Content

CLOCK = "/run/raab-drill-clock"
DROP_IN = "/etc/systemd/system/raab.service.d/drill-clock.conf"
FAKETIME = f"""\
[Service]
Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE={CLOCK}
Environment=FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1
"""
# Each process sees the moved clock after a second at most; and has it for some.
MOVED = "sleep 3"
# libfaketime 0.9.10 makes clock_nanosleep(2) fail when it leaves the monotonic clock alone; Python sleeps by that, and can do without.
SLEEP = """\
import select
import time


def sleep(seconds):
    select.select([], [], [], seconds)


time.sleep = sleep
"""
# A line of a .pth file is run at each start of Python; a sitecustomize would be hidden by Debian's own.
START = ((f"{PACKAGES}/drillsleep.py", SLEEP), (f"{PACKAGES}/drillsleep.pth", "import drillsleep\n"))
CLOCKED = Content(before=SLOW_IMPORT.format(seconds=1), files=START)


def set_back(scene: Scene) -> None:
    """The service's clock goes back by a year; reloads and scaling go on as before."""

    def once(service: Service) -> None:
        try:
            service.shell.put(CLOCK, "+0\n")
            service.shell.put(DROP_IN, FAKETIME)
            release = service.variant(CLOCKED)
            service.switch(release)
            service.run("systemctl daemon-reload")
            service.systemctl("restart")
            scene.settled(service, "under libfaketime", release, workers=2)
            with scene.phase(f"clock -1 year {name(service)}"):
                service.shell.put(CLOCK, "-365d\n")
                service.run(MOVED)
            scene.fact(f"{name(service)}: days by which its clock is back", 365, days_back(service))
            reload_to(scene, service, service.variant(CLOCKED))
            with scene.phase(f"scale {name(service)}"):
                scene.fact(f"{name(service)}: raab scale 3", "workers: 2 -> 3", service.run("raab scale 3", check=False).out.strip())
                service.run("raab scale 2")
            with scene.phase(f"clock +1 year {name(service)}"):
                service.shell.put(CLOCK, "+0\n")
                service.run(MOVED)
            reload_to(scene, service, service.variant(CLOCKED))
        finally:
            service.switch(scene.release)
            service.run(f"rm -f {DROP_IN} {CLOCK} {SETTINGS}; rmdir $(dirname {DROP_IN}); systemctl daemon-reload", check=False)
            service.systemctl("restart")

    scene.each(once)


def days_back(service: Service) -> int:
    """By how much the service's clock is behind this machine's, by the date of its answers."""
    with urllib.request.urlopen("http://{}:{}/livez".format(*service.address), timeout=30) as answer:
        says = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    return round((time.time() - says) / 86400)
