"""Processes and timers of a host, as rows of a table and as a doctor's findings. Pure."""

from __future__ import annotations

import time
from collections import Counter

from raab.deploy.inspection.finding import Finding
from raab.protocol.service import Examined, ServiceStatus, TimerRow

COLUMNS = ("host", "beside the web", "state", "release", "since", "restarts", "next", "last", "exit code")


def rows(host: str, status: ServiceStatus, now: float) -> list[tuple[str, ...]]:
    """`now` in seconds since the epoch."""
    found: list[tuple[str, ...]] = [
        (host, one.name, one.state, one.release, when(now - one.seconds if one.seconds else 0), str(one.restarts), "", "", "")
        for one in status.processes
    ]
    for timer in status.timers:
        code = "-" if timer.code is None else str(timer.code)
        found.append((host, timer.name, timer.state, timer.release, "", "", when(timer.next), when(timer.last), code))
    return found


def when(seconds: float) -> str:
    """A moment, in seconds since the epoch; a dash for none."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds)) if seconds else "-"


def findings(told: Examined) -> tuple[Finding, ...]:
    """Whether as many of each process run as are wanted, and each timer's last run ended well; nothing of a service that has neither."""
    found = []
    up = Counter(one.process for one in told.processes if one.state == "active")
    if told.counts:
        text = ", ".join(f"{name} {up[name]} of {wanted}" for name, wanted in told.counts.items())
        well = all(up[name] == wanted for name, wanted in told.counts.items())
        first = next((name for name, wanted in told.counts.items() if up[name] != wanted), "")
        found.append(Finding("processes wanted", well, text, f"fab logs {first} says why; fab reload starts what does not run"))
    if told.timers:
        bad = [timer for timer in told.timers if timer.code or idle(timer)]
        lost = any(map(idle, bad))
        text = ", ".join(f"{timer.name} {doing(timer)}" for timer in told.timers)
        hint = "fab reload brings it back" if lost else f"fab logs {bad[0].name} says why" if bad else ""
        found.append(Finding("timers", not bad, text, hint))
    return tuple(found)


def idle(timer: TimerRow) -> bool:
    """Whether nothing will run it, and nothing runs it now."""
    return timer.state == "absent" or (not timer.next and timer.state != "running")


def doing(timer: TimerRow) -> str:
    state = "waits for nothing" if idle(timer) and timer.state in ("waiting", "failed") else timer.state
    return state + (f", exit code {timer.code}" if timer.code else "")
