"""Finding what a host left on this machine: its processes and its control groups, from what /proc and /sys say."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from raab.lab import state
from raab.lab.process import Process, processes, until
from raab.lab.state import Ground, Lab, LabHost


def groups(machine: str) -> list[Path]:
    """The machine's control groups, one in each hierarchy in which systemd keeps its units, existing or not."""
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [
        Path(fields[4]) / "raab-lab" / machine
        for fields in mounts
        if "cgroup2" in fields[6:] or ("cgroup" in fields[6:] and "name=systemd" in fields[-1].split(","))
    ]


def is_part(process: Process, host: LabHost) -> bool:
    """Whether a process supervises the host, or runs inside it."""
    # The closing characters keep host 1 apart from host 10.
    inside = any(f"/raab-lab/{host.machine}/" in f"{group}/" or f"/raab-lab-{host.machine}.scope" in group for group in process.groups)
    return inside or supervises(process, host) or f"--directory={host.root}" in process.argv


def supervises(process: Process, host: LabHost) -> bool:
    return "raab-lab-host" in process.argv and str(host.home) in process.argv


def of(host: LabHost) -> list[Process]:
    """The host's live processes, supervisors first: whoever could start others is to be killed before them."""
    return sorted((process for process in processes() if is_part(process, host)), key=lambda process: not supervises(process, host))


def strays(lab: Lab) -> list[tuple[Ground, LabHost]]:
    """The lab's hosts as their processes' words tell them, for when the lab's own files have been lost."""
    found = {(match[1], match[2]) for process in processes() for match in [_stray(lab, process)] if match}
    grounds = [(Ground(int(ground), ""), int(number)) for ground, number in sorted(found)]
    return [(ground, state.host(lab, ground, number)) for ground, number in grounds]


def _stray(lab: Lab, process: Process) -> re.Match[str] | None:
    return re.search(rf"--directory={re.escape(str(lab.home))}/hosts/\S+ --machine=rl(\d+)-(\d+) ", " ".join(process.argv))


def leader(host: LabHost) -> int | None:
    """The pid of the host's own first process, None while it does not run."""
    found = of(host)
    containers = {process.pid for process in found if f"--directory={host.root}" in process.argv and "--boot" in process.argv}
    inner = [process.pid for process in found if process.parent in containers and process.pid not in containers]
    return inner[0] if inner else None


def runs(host: LabHost) -> bool:
    """Whether the host is up or on its way up. One that reboots is neither for a moment, which is waited for."""
    until(3, lambda: leader(host) is not None or not of(host))
    return leader(host) is not None


def remove_groups(host: LabHost) -> bool:
    """Removes the host's empty control groups, innermost first; False while the kernel still holds one."""
    for top in groups(host.machine):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        with contextlib.suppress(OSError):
            top.parent.rmdir()
    return not any(top.exists() for top in groups(host.machine))
