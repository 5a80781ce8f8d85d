"""What the kernel says of the service's processes (proc(5)). Standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from raab.plain import plain

# There where the unified hierarchy is the whole of /sys/fs/cgroup.
_UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")


class Process(NamedTuple):
    """One process; `born` in seconds since boot, `name` as ps(1) shows it, which the process may have chosen."""

    pid: int
    parent: int
    name: str
    born: float

    @property
    def identity(self) -> tuple[int, float]:
        """What it cannot change, whatever it calls itself and whoever is its parent by now."""
        return self.pid, self.born


def of_unit(unit: str, main: int) -> dict[int, Process]:
    """All that live in the control group of the unit's main process, wherever they were forked: systemd put it there, and no service can
    leave it. Empty when that is not the unit's own."""
    return of_group(unit, control_group(main))


def of_group(unit: str, group: str) -> dict[int, Process]:
    if unit not in group.split("/"):
        return {}
    found = (process(pid) for pid in pids() if f"{control_group(pid)}/".startswith(f"{group}/"))
    return {one.pid: one for one in found if one}


def within(unit: str) -> list[Process]:
    """All that live in the control group of a unit of that name, or below it."""
    return [one for pid in pids() if unit in control_group(pid).split("/") and (one := process(pid))]


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def control_group(pid: int) -> str:
    """In systemd's own hierarchy; empty when there is no such process."""
    return in_hierarchy(_text(pid, "cgroup"), _UNIFIED.exists())


def in_hierarchy(text: str, unified: bool) -> str:
    """systemd's hierarchy is the only one that this host has mounted, `unified`, or is named so. A container may see those of the machine
    around it besides, in which systemd puts nothing (cgroups(7))."""
    groups = dict(line.split(":", 2)[1:] for line in text.splitlines() if line.count(":") >= 2)
    return groups.get("", "") if unified else groups.get("name=systemd", groups.get("", ""))


def process(pid: int) -> Process | None:
    """None when it has ended, reaped or not."""
    head, _, rest = _text(pid, "stat").rpartition(")")
    if not rest or rest.split()[0] in "ZX":
        return None
    # The 4th and the 22nd field of proc(5), the 2nd and the 20th after the name, which may contain anything.
    fields = rest.split()
    return Process(pid, int(fields[1]), plain(head.partition("(")[2]), int(fields[19]) / os.sysconf("SC_CLK_TCK"))


def environment(pid: int) -> dict[str, str]:
    """The variables that a process was started with, whatever it has made of them since; none when it has ended."""
    try:
        words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return {os.fsdecode(name): os.fsdecode(value) for name, found, value in (word.partition(b"=") for word in words) if found}


def command(pid: int) -> str:
    """What it was started as, by its own account."""
    return plain(_text(pid, "cmdline").replace("\0", " ").strip(), 100)


def uptime() -> float:
    """Seconds since boot."""
    return float(Path("/proc/uptime").read_text().split()[0])


def _text(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def children(pid: int) -> frozenset[int]:
    """The children of a process: of the master its workers, what loads for them, and orphans of theirs."""
    try:
        return frozenset(int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    except OSError:
        return frozenset()


def started(pid: int) -> str:
    """The start time of a process in clock ticks since boot; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""
