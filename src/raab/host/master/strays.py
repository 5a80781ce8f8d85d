"""Processes of the service that are nobody's: neither master, template nor worker, nor a living child of one of the latter two.

An orphan is one, whoever its parent is by now: what a worker forked and left behind outlives the worker, every reload and every deploy,
with the listening sockets that it may have kept. Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from raab.host import processes, systemd
from raab.host.master import conversation
from raab.host.master.control import ask
from raab.host.paths import Paths
from raab.host.processes import Process

# Who is seen only once may be on its way somewhere: a process between two forks, or one whose parent has just ended.
_LOOKS = 4
_GAP_SECONDS = 0.3
# A hand-over has processes of its own: a master to come and what loads its settings, one to go and its workers. No longer than load_timeout
# and graceful_timeout take, as they are shipped, twice over.
_HANDOVER_SECONDS = 120.0

# By what tells them apart over two looks.
Suspects = dict[tuple[int, float], Process]


class Stray(NamedTuple):
    """One of them; `age` in seconds. Name and command are what it gave itself."""

    pid: int
    parent: int
    name: str
    age: float
    command: str

    @property
    def text(self) -> str:
        return f"process {self.pid} ({self.name}), {self.age:.0f} s old, child of {self.parent}: {self.command}"


def find(paths: Paths, earlier: Iterable[tuple[int, float]] = ()) -> tuple[Stray, ...]:
    """Those of the running service; none where systemd does not run it. Raises RaabError when it does not answer.

    `earlier` are suspects of before a hand-over: what a hand-over may leave behind is no excuse for them.
    """
    if not conversation.of_systemd(paths):
        return ()
    status = told(paths)
    still = look(paths, status, handover=False)
    found = {key: still[key] for key in earlier if key in still}
    suspects = look(paths, status)
    for _ in range(_LOOKS - 1):
        if not suspects:
            break
        time.sleep(_GAP_SECONDS)
        again = look(paths, told(paths))
        suspects = {key: again[key] for key in suspects if key in again}
    now = processes.uptime()
    return tuple(
        Stray(one.pid, one.parent, one.name, round(now - one.born, 1), processes.command(one.pid))
        for _, one in sorted({**found, **suspects}.items())
    )


def told(paths: Paths) -> dict[str, Any]:
    return ask(paths, 5, patient=True, verb="status")


def look(paths: Paths, status: Mapping[str, Any], handover: bool = True) -> Suspects:
    """The unit's processes that the master's word does not explain now. `handover`: one of these is an excuse."""
    alive = processes.of_unit(paths.unit, status["pid"])
    master = alive.get(status["pid"])
    if master is None or not unexplained(alive, status, 0):
        return {}
    control = int(systemd.show(paths.unit, "ControlPID").get("ControlPID") or 0)
    found = unexplained(alive, status, control)
    return {one.identity: one for one in found if not (handover and excused(one, master, status, processes.uptime()))}


def unexplained(alive: Mapping[int, Process], status: Mapping[str, Any], control: int) -> list[Process]:
    """Those whose line of parents leads to none of the master's templates and workers, nor to the unit's own command, as ExecReload=."""
    heads = {one["pid"] for one in (*status["workers"], *status.get("templates", ()))} | {control}

    def explained(one: Process | None) -> bool:
        seen: set[int] = set()
        while one and one.pid not in seen:
            if one.pid in heads:
                return True
            seen.add(one.pid)
            one = alive.get(one.parent)
        return False

    return [one for one in alive.values() if one.pid != status["pid"] and not explained(one)]


def excused(one: Process, master: Process, status: Mapping[str, Any], now: float) -> bool:
    """Whether a hand-over under way, or just over, may have brought it: younger than that, or left by the master before this one."""
    coming = status["incoming"] is not None or status.get("busy", False)
    leaving = now - master.born < _HANDOVER_SECONDS
    return (coming and now - one.born < _HANDOVER_SECONDS) or (leaving and one.born < master.born)
