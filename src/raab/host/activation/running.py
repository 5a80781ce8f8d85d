"""What the running service says of itself, in the middle of an activation."""

from __future__ import annotations

from typing import Any

from raab.errors import RaabError
from raab.host.activation import others
from raab.host.master import loading
from raab.host.master.control import ask
from raab.host.master.conversation import Unanswered
from raab.host.paths import Paths
from raab.host.processes import children


def told(paths: Paths) -> dict[str, Any]:
    """What the running service tells; empty when none runs."""
    try:
        return ask(paths, 5, verb="status")
    except RaabError:
        return {}


def loaded_by_each(paths: Paths) -> str:
    """Why the workers that serve now cannot share one load of the application, in one line; empty when they do, or cannot tell."""
    load = told(paths).get("load") or {}
    return loading.told("each", load["why"]) if load.get("mode") == "each" else ""


def serving(paths: Paths) -> frozenset[int]:
    """The workers that are to answer now: those that the master names, and that the kernel calls its children. None while there is no
    master; raises Stopped when there is to be none."""
    try:
        status = ask(paths, 5, verb="status")
    except Unanswered:
        others.require_running(paths.unit, 0)
        return frozenset()
    return frozenset(worker["pid"] for worker in status["workers"] if worker["phase"] != "retiring") & children(status["pid"])
