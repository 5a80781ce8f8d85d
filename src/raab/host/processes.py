"""What the kernel says of the service's processes (proc(5)). Standard library only."""

from __future__ import annotations

from pathlib import Path

# What a process is called that has loaded a generation's application and serves nobody (handover/template.py).
TEMPLATE = "template"


def workers(master: int) -> frozenset[int]:
    """The processes that serve for gunicorn's master, asked from the kernel and not from gunicorn. Its templates serve nobody."""
    try:
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    except OSError:
        return frozenset()
    return frozenset(int(pid) for pid in children if _name(pid) not in ("", TEMPLATE))


def _name(pid: str) -> str:
    """What a process is called; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
