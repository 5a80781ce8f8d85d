"""Having all that a service has beside its web be that of a release."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from raab.host import systemd
from raab.host.beside import carry, there, timers, unit
from raab.host.durable import alone
from raab.host.paths import Paths
from raab.protocol.values import DAY

_STEP = 0.1


def check(paths: Paths, release: Path) -> None:
    """Raises RaabError for a release whose processes and timers could not become units, before it is made current."""
    table, texts = unit.table(release), unit.Texts(paths, release)
    for process in table.processes:
        texts.process(process, 1)
    for timer in table.timers:
        texts.run(timer)
    timers.check(release)


def become(paths: Paths, release: Path | None, say: Callable[[str], None], anew: bool = False) -> None:
    """Its processes run, as many as are wanted, proved, and its timers wait; no others do. With `anew` no process of before is left. None
    is no release.

    Raises RaabError when one does not stay up; what runs then is as it was when that was seen, and another call puts it right.
    """
    with alone(paths.root):
        carry.become(paths, release, say, anew)
        timers.become(paths, release, say)


def end(paths: Paths, say: Callable[[str], None]) -> None:
    """All that runs beside the web, what timers and people have started included, each in its own seconds. What starts it stays."""
    if there.files(paths):
        say("ending all that runs beside the web")
        systemd.must("systemctl", "stop", f"{paths.name}@*.service", timeout=DAY)


def sweep(paths: Paths, seconds: float = 0.0) -> None:
    """Take the files away of what was told to end and has ended, or does within so many seconds."""
    end = time.monotonic() + seconds
    while True:
        with alone(paths.root):
            swept, left = carry.sweep(paths), carry.ending(paths)
            if timers.sweep(paths) or swept:
                systemd.must("systemctl", "daemon-reload")
        if not left or time.monotonic() > end:
            return
        time.sleep(_STEP)
