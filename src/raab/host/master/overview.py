"""What the master says of itself, with what its processes weigh and its workers have counted."""

from __future__ import annotations

from typing import Any

from raab.errors import RaabError
from raab.host.master import strays
from raab.host.master.control import ask
from raab.host.master.counters import counted
from raab.host.master.memory import memory
from raab.host.paths import Paths
from raab.metrics.reading import Tally


def whole(paths: Paths) -> dict[str, Any]:
    """All that is told of the running service, its strays too. Raises RaabError, exit code 3, when nothing runs."""
    return {**document(paths, 10.0, patient=True), "strays": [stray._asdict() for stray in strays.find(paths)]}


def document(paths: Paths, seconds: float, **how: bool) -> dict[str, Any]:
    """What the master tells within so many seconds, what its processes weigh, and how much of what a worker has answered has failed: None
    where that cannot be read. `how` and what is raised are those of `ask`."""
    status = ask(paths, seconds, verb="status", **how)
    # A master of an older release has no templates, and does not say how it loads.
    templates = status.get("templates", [])
    weights = [(process, memory(process["pid"])) for process in (*status["workers"], *templates)]
    for process, weight in weights:
        process["private"], process["shared"] = (weight.private, weight.shared) if weight else (None, None)
    _tally(paths, status["workers"])
    own = [worker["private"] for worker in status["workers"] if worker["private"]]
    # What a generation holds once for all its workers, which the next one holds once more.
    common = sum(weight.part for _, weight in weights if weight) - sum(own) if templates else 0
    average = sum(own) // len(own) if own else 0
    extra = 1 if status["one_by_one"] else status["target"]
    status["serving"] = sum(worker["phase"] == "serving" for worker in status["workers"])
    status["memory"] = {"workers": sum(own), "common": common, "handover": common + average * extra}
    return status


def _tally(paths: Paths, workers: list[dict[str, Any]]) -> None:
    try:
        tallies = counted(paths).workers
    except RaabError:
        tallies = None
    for worker in workers:
        tally = tallies.get(worker["pid"], Tally(0, 0)) if tallies is not None else None
        worker["answered"], worker["failed"] = (tally.answered, tally.failed) if tally else (None, None)


def template_ready(status: dict[str, Any]) -> bool:
    """Whether a worker more of the generation that serves would be forked at once."""
    return any(t["ready"] and t["generation"] == status["generation"] for t in status["templates"])
