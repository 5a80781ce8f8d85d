"""What the kernel says of the service's processes (proc(5)). Standard library only."""

from __future__ import annotations

from pathlib import Path


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
