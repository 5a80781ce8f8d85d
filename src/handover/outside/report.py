"""What the master tells about itself on the control socket."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from handover.crew import Hand
from handover.decision.reloads import State
from handover.decision.request import VERSION
from handover.decision.states import Phase
from handover.workers.board import Board


class WorkerStatus(NamedTuple):
    """One worker; `age` in seconds, `connections` open now, `active` requests now."""

    pid: int
    generation: int
    phase: str
    age: float
    requests: int
    connections: int
    active: int


class TemplateStatus(NamedTuple):
    """One template; `ready` when it can be asked for workers."""

    pid: int
    generation: int
    ready: bool


def status_of(state: State, board: Board, hands: Mapping[int, Hand], started: float, name: str) -> dict[str, Any]:
    """The whole service, ready for JSON; `started` in seconds since the epoch, `name` where there are no releases."""
    now = time.monotonic()
    fleet = state.fleet
    serving = fleet.loads.get(fleet.generation, fleet.load)
    workers = [
        WorkerStatus(m.pid, m.generation, m.phase.value, round(now - hands[m.pid].born, 1), *board.read(hands[m.pid].tmp.slot))
        for m in fleet.of(Phase.BOOTING, Phase.SERVING, Phase.RETIRING)
    ]
    return {
        "pid": os.getpid(),
        "speaks": VERSION,
        "release": os.path.basename(serving.release) or name,
        "bind": list(serving.settings.bind),
        "generation": fleet.generation,
        "incoming": fleet.incoming,
        "target": fleet.target,
        "configured": serving.workers,
        "bounds": [serving.options.workers_min, serving.options.workers_max],
        "busy": state.busy,
        "one_by_one": serving.options.one_by_one,
        "died": fleet.died,
        "started": started,
        "reload": state.outcome._asdict() if state.outcome else None,
        "load": {"mode": "each" if serving.each else "shared", "why": serving.each},
        "templates": [TemplateStatus(t.pid, t.generation, t.phase is Phase.SERVING)._asdict() for t in fleet.templates if t.pid],
        "workers": [worker._asdict() for worker in workers],
    }
