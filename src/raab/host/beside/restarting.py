"""Starting a process anew, all instances of it, each when it has done what it does."""

from __future__ import annotations

import time

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.beside import proof, rows, there, unit
from raab.host.beside.change import RUNNING, Start
from raab.host.paths import Paths
from raab.protocol.values import DAY


def restart(paths: Paths, name: str) -> str:
    """A line that says what was done. Raises RaabError, exit code 2, where the release has no such process, and for what does not stay up
    afterwards."""
    instances = [one for one in there.look(paths) if one.process == name]
    if not instances:
        known = ", ".join(rows.wanted(paths)) or "none"
        raise RaabError(f"restart: no such process here, got {name!r}", f"this release has: {known}", exitcodes.BAD_INPUT)
    running = [one for one in instances if one.state == RUNNING]
    units = [paths.beside(one.name) for one in running]
    began = time.time()
    if units:
        systemd.must("systemctl", "restart", *units, timeout=DAY)
    declared = {
        (one.name, release): one for release in {one.release for one in running} for one in unit.table(paths.release(release)).processes
    }
    proof.prove(
        paths, [Start(declared[name, one.release], one.number, one.text) for one in running if (name, one.release) in declared], began
    )
    return f"restarted {', '.join(one.name for one in running) or 'none: none of it runs'}"
