"""What commands and processes take: wall time, processor, memory."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from raab.drill.stage.project import Project

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """Seconds from begin to end, and CPU seconds (user and system) of the process and its children."""

    seconds: float
    processor: float


def used(project: Project, verb: str, env: str) -> Use:
    """Carries the verb out. No other child of this process may be waited for meanwhile."""
    begun, before = time.monotonic(), of_children()
    project.fab(verb, env=env)
    return Use(time.monotonic() - begun, of_children() - before)


def of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def processor_seconds(pid: int) -> float:
    """CPU seconds of a process and of all its children that have ended (proc(5), stat: utime, stime, cutime, cstime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def proportional_memory(pid: int) -> int:
    """Bytes of a process, of those that it shares its part (proc(5), smaps_rollup: Pss)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def descendants(pid: int) -> list[int]:
    """The process and all that descend from it and live."""
    found, seen = [pid], 0
    while seen < len(found):
        parent = found[seen]
        # One that has ended meanwhile has none.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())
        seen += 1
    return found
