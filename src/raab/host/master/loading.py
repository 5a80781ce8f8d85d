"""How workers get the application, in words for people."""

from __future__ import annotations


def told(mode: str, why: str) -> str:
    """The line for a mode and its reason, as the master has them too."""
    if mode == "shared":
        return "the application is loaded once for all workers"
    return f"the application is loaded by each worker: {why}"
