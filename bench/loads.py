"""Workers that are forked from a template which has loaded the application (`server.load: shared`) beside workers that load it
each: what a further one weighs, and how long and how much of the processor it takes until workers serve."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from figures import Series, Table
from masters import Master, installed, master
from usage import descendants, proportional_memory

from raab.host.master.memory import memory

APPLICATIONS = {"ordinary": "ordinary:application", "tiny": "apps:flask"}
MODES = ("each", "shared")
FEW, MANY = 4, 8
REQUESTS = 80
# How often each operation is carried out in a round.
TIMES = 3

MEMORY, TOTAL = "a further worker's private memory", f"memory of all with {FEW + 1} workers (PSS)"
MORE, REPLACED = "one more worker serves", "a killed worker is replaced"
RELOAD = f"CPU of a reload of {MANY} workers"
UNITS = {MEMORY: "MB", TOTAL: "MB", MORE: "ms", REPLACED: "ms", RELOAD: "s"}
# What one template for all workers is for: printed beside what is measured, and asserted nowhere.
TARGETS = {
    ("ordinary", MEMORY): "<= 0.3 x",
    ("ordinary", MORE): "<= 0.1 x",
    ("ordinary", REPLACED): "<= 0.1 x",
    ("ordinary", RELOAD): "<= 0.35 x",
    ("tiny", MEMORY): "<= 12 MB",
}


def measure(rounds: int) -> dict[str, Series]:
    """Takes applications and modes in turn, so that what else the machine does hits all alike."""
    found: dict[str, list[float]] = {}
    with TemporaryDirectory(prefix="raab-bench-") as folder:
        programs = installed(Path(folder))
        for _ in range(rounds):
            for name, application in APPLICATIONS.items():
                for mode in MODES:
                    with TemporaryDirectory(dir=folder) as home, master(programs, Path(home), application, mode, FEW) as one:
                        for what, value in figures(one):
                            found.setdefault(f"{name}, {what}, {mode}", []).append(value)
    return {name: Series(UNITS[name.split(", ")[1]], tuple(values)) for name, values in found.items()}


def figures(one: Master) -> Iterator[tuple[str, float]]:
    """Begins with FEW workers, ends with MANY."""
    for number in range(TIMES):
        if number:
            one.scale(FEW)
        yield MORE, one_more(one)
    one.exercise(REQUESTS)
    yield MEMORY, (weight.private if (weight := memory(one.workers()[-1]["pid"])) else 0) / 1e6
    yield TOTAL, sum(map(proportional_memory, descendants(one.pid))) / 1e6
    for _ in range(TIMES):
        yield REPLACED, replaced(one)
    one.scale(MANY)
    yield RELOAD, reloaded(one)


def one_more(one: Master) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    one.scale(FEW + 1)
    return (time.perf_counter() - begun) * 1000


def replaced(one: Master) -> float:
    """Milliseconds from the kill until as many serve as before it."""
    victim = min(one.serving())
    begun = time.perf_counter()
    os.kill(victim, signal.SIGKILL)
    one.settled(FEW + 1, without={victim})
    return (time.perf_counter() - begun) * 1000


def reloaded(one: Master) -> float:
    """CPU seconds of a reload, from the request until the last process of the old generation has been reaped. The mean of several,
    for the kernel counts those of a process in steps of ten milliseconds."""
    one.settled(MANY, without=set())
    begun = one.processor_seconds()
    for _ in range(TIMES):
        before = set(descendants(one.pid)) - {one.pid}
        one.reload()
        one.settled(MANY, without=before)
        one.outlives(before)
    return (one.processor_seconds() - begun) / TIMES


def table(measured: dict[str, Series]) -> Table:
    rows = []
    for name in APPLICATIONS:
        for what, unit in UNITS.items():
            each, shared = (measured[f"{name}, {what}, {mode}"] for mode in MODES)
            digits = 2 if unit == "s" else 1
            rows.append((f"{name}: {what}", shared.ratio(each), TARGETS.get((name, what), "-"), shared.text(digits), each.text(digits)))
    title = (
        "Workers forked from a template (server.load: shared) beside workers that load the application each (medians, min-max).\n"
        f"Memory after {REQUESTS} requests to each worker; CPU of the master and all that it started. tiny: bare Flask; ordinary: with\n"
        "SQLAlchemy, Flask-Login, -WTF, -Migrate, requests, marshmallow and celery imported, and most of them used"
    )
    return Table(title, ("", "of each's", "target", "shared", "each"), tuple(rows))
