"""What a process weighs (proc(5), smaps_rollup). Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Bytes: what the process alone holds, what others hold as well, and its part of both when each page is divided by its holders."""

    private: int
    shared: int
    part: int


def memory(pid: int) -> Memory | None:
    """None when it cannot be seen: the process is somebody else's, or has ended."""
    try:
        lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    except OSError:
        return None

    def total(*names: str) -> int:
        return sum(int(line[1]) * 1024 for line in lines if line[0] in names)

    return Memory(total("Private_Clean:", "Private_Dirty:"), total("Shared_Clean:", "Shared_Dirty:"), total("Pss:"))
