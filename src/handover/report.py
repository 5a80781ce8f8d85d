"""What the master tells about itself on the control socket."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from handover.states import Member, Phase

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter


class Outcome(NamedTuple):
    """The verdict of a reload: `good` or the reason why not; `at` in seconds since the epoch."""

    good: bool
    reason: str
    generation: int
    seconds: float
    at: float
    replaced: bool


class WorkerStatus(NamedTuple):
    """One worker; `age` in seconds, `connections` open now, `active` requests now."""

    pid: int
    generation: int
    phase: str
    age: float
    requests: int
    connections: int
    active: int


def status_of(master: HandoverArbiter) -> dict[str, Any]:
    """The whole service, ready for JSON; `started` in seconds since the epoch."""
    now = time.monotonic()
    fleet = master.fleet
    outcome = master.reloads.outcome
    return {
        "pid": os.getpid(),
        "release": master.label,
        "bind": master.cfg.bind[0],
        "generation": fleet.generation,
        "incoming": fleet.incoming,
        "target": fleet.target,
        "configured": master.cfg.workers,
        "bounds": [master.options.workers_min, master.options.workers_max],
        "one_by_one": master.options.one_by_one,
        "started": master.started,
        "load": {"mode": "shared" if master.options.shared else "each", "why": ""},
        "templates": [],
        "reload": outcome._asdict() if outcome else None,
        "workers": [_worker(master, member, now)._asdict() for member in fleet.of(*Phase)],
    }


def _worker(master: HandoverArbiter, member: Member, now: float) -> WorkerStatus:
    worker: Any = master.WORKERS[member.pid]
    tally = master.board.read(worker.slot)
    return WorkerStatus(member.pid, member.generation, member.phase.value, round(now - worker.born, 1), *tally)
