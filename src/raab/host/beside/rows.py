"""What processes and timers do, as rows for people and machines."""

from __future__ import annotations

import json
import time

from raab.host import systemd
from raab.host.beside import counts, there, unit
from raab.host.beside.timers import chosen
from raab.host.paths import Paths
from raab.host.releases import current_release
from raab.protocol.service import ProcessRow, TimerRow

_OF_PROCESS = ("ActiveState", "SubState", "MainPID", "NRestarts", "ActiveEnterTimestampMonotonic")
_OF_RUN = ("ActiveState", "Result", "ExecMainStatus", "ExecMainStartTimestamp", "ExecMainExitTimestampMonotonic")


def processes(paths: Paths) -> tuple[ProcessRow, ...]:
    instances = there.look(paths)
    shown = systemd.shows([paths.beside(one.name) for one in instances], *_OF_PROCESS)
    now = time.monotonic()
    return tuple(
        ProcessRow(one.name, one.process, _state(told), one.release, number(told, "MainPID"), _up(told, now), number(told, "NRestarts"))
        for one, told in sorted(zip(instances, shown, strict=True), key=lambda pair: (pair[0].process, pair[0].number))
    )


def timers(paths: Paths) -> tuple[TimerRow, ...]:
    files = there.files(paths, "timer")
    runs = systemd.shows([paths.beside(name) for name in files], *_OF_RUN, more=("--timestamp=unix",))
    active = [one.get("ActiveState") == "active" for one in systemd.shows([paths.timer(name) for name in files], "ActiveState")]
    due, started = _scheduled(paths), there.files(paths)
    found = []
    for (name, text), ran, waits in zip(files.items(), runs, active, strict=True):
        row = _timer(name, text, ran, *due.get(paths.timer(name), (0, 0)))
        # Somebody may have removed what it would start.
        state = "absent" if name not in started else "stopped" if not waits and row.state == "waiting" else row.state
        found.append(row._replace(state=state))
    return (*found, *(TimerRow(name, "absent", release, 0.0, 0.0, None) for name, release in _due(paths) if name not in files))


def _due(paths: Paths) -> list[tuple[str, str]]:
    """The timers of the current release that are for this host, each with that release."""
    current = current_release(paths)
    if current is None or not paths.manifest(current).exists():
        return []
    return [(one.name, current) for one in unit.table(paths.release(current)).timers if one.on == "all" or chosen(paths)]


def _scheduled(paths: Paths) -> dict[str, tuple[float, float]]:
    """When each timer's next run is and its last one was, by the unit's name; seconds since the epoch, 0 for none.

    `systemctl show` tells these two in words, whatever it is asked to (systemd 252).
    """
    told = systemd.order("systemctl", "list-timers", "--all", "--output=json", f"{paths.name}@*.timer").stdout
    return {one["unit"]: ((one["next"] or 0) / 1e6, (one["last"] or 0) / 1e6) for one in json.loads(told or "[]")}


def _timer(name: str, text: str, ran: dict[str, str], due: float, triggered: float) -> TimerRow:
    # It may have been started by hand.
    last = max(triggered, stamp(ran, "ExecMainStartTimestamp"))
    code = number(ran, "ExecMainStatus") if number(ran, "ExecMainExitTimestampMonotonic") else None
    return TimerRow(name, _doing(ran), unit.release_of(text), due, last, code)


def wanted(paths: Paths) -> dict[str, int]:
    """How many of each process of the current release are to run."""
    current = current_release(paths)
    if current is None or not paths.manifest(current).exists():
        return {}
    return {one.process.name: one.instances for one in counts.wanted(unit.table(paths.release(current)), counts.load(paths))}


def _state(told: dict[str, str]) -> str:
    state = told.get("ActiveState", "unknown")
    return told.get("SubState", state) if state == "activating" else state


def _doing(ran: dict[str, str]) -> str:
    """Of what a timer starts."""
    state = ran.get("ActiveState", "unknown")
    return {"activating": "running", "inactive": "waiting", "failed": "failed"}.get(state, state)


def _up(told: dict[str, str], now: float) -> float:
    since = number(told, "ActiveEnterTimestampMonotonic") / 1e6
    return round(now - since, 1) if told.get("ActiveState") == "active" and since else 0.0


def number(told: dict[str, str], name: str) -> int:
    text = told.get(name, "")
    return int(text) if text.isdecimal() else 0


def stamp(told: dict[str, str], name: str) -> float:
    """Seconds since the epoch of `@1234`; 0 where there is none."""
    text = told.get(name, "").removeprefix("@")
    return float(text) if text.isdecimal() else 0.0
