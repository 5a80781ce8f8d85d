"""What the kernel says of the service's processes (proc(5)). Standard library only."""

from __future__ import annotations

from pathlib import Path


def workers(master: int) -> frozenset[int]:
    """The processes that serve for gunicorn's master, asked from the kernel and not from gunicorn. Its templates, which serve nobody, go
    by another name."""
    try:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    except OSError:
        return frozenset()
    return frozenset(int(pid) for pid in children if _name(pid) != "template")


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
