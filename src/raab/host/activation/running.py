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

# Seconds for the master's word on who serves, on a host that is behind with its work: whoever asks for it has a limit of his own.
PATIENCE = 30.0


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
        status = ask(paths, PATIENCE, verb="status")
    except Unanswered:
        others.require_running(paths.unit, 0)
        return frozenset()
    return frozenset(worker["pid"] for worker in status["workers"] if worker["phase"] != "retiring") & children(status["pid"])


def serves(paths: Paths, release: str) -> bool:
    """Whether it is that release and no other that the service has taken up, by facts that take no answer of a worker: by the word of the
    process that systemd calls its main one, whose children its workers are by the kernel's."""
    status = ask(paths, PATIENCE, verb="status")
    serving = {
        worker["pid"] for worker in status["workers"] if worker["phase"] == "serving" and worker["generation"] == status["generation"]
    }
    return status["release"] == release and status["incoming"] is None and bool(serving & children(status["pid"]))
