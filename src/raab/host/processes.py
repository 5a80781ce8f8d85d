"""What the kernel says of the service's processes (proc(5)). Standard library only."""

from __future__ import annotations

from pathlib import Path


def workers(master: int) -> frozenset[int]:
    """The processes that gunicorn's master forked, asked from the kernel and not from gunicorn."""
    try:
        return frozenset(int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split())
    except OSError:
        return frozenset()
