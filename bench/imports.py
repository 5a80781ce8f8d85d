"""How long a command and a worker take to start: raab's beside what they cannot do without, Python itself and Flask."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from figures import Series, Table

ROOT = Path(__file__).resolve().parents[1]
# What a worker's process holds before it loads an application. The root goes on the path last: its gunicorn.py hides the package.
WORKER = f"""\
import sys, gunicorn.app.wsgiapp, gunicorn.arbiter, gunicorn.workers.ggevent, gevent.monkey
gevent.monkey.patch_all()
sys.path += [{str(ROOT)!r}, {str(ROOT / "bench")!r}]
"""
TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"


@dataclass(frozen=True)
class Start:
    """Something that starts in a process of its own. `first` and `timed` are Python, the time is that of the second; or else
    `command` is timed as a whole. `beside` names what it is compared with."""

    name: str
    beside: str
    command: tuple[str, ...] = ()
    first: str = ""
    timed: str = ""


RAAB = str(Path(sys.executable).parent / "raab")
STARTS = (
    Start("Python, nothing else", "Python, nothing else", command=(sys.executable, "-I", "-c", "pass")),
    Start("raab --help", "Python, nothing else", command=(RAAB, "--help")),
    # Of a service that does not run: the question and the answer of one that does take a millisecond more.
    Start("raab status", "Python, nothing else", command=(RAAB, "status")),
    Start("raab config", "Python, nothing else", command=(RAAB, "config")),
    Start("from flask import Flask", "from flask import Flask", timed="from flask import Flask"),
    Start("create_app()", "from flask import Flask", timed="from raab import create_app; create_app()"),
    Start("worker loads bare Flask", "worker loads bare Flask", first=WORKER, timed="import apps"),
    Start("worker loads raab", "worker loads bare Flask", first=WORKER, timed="import wsgi"),
)


def measure(rounds: int) -> dict[str, Series]:
    """Takes them in turn, three times a round: they are short, and what else the machine does hits all alike. The first turn fills
    the caches and does not count."""
    times: dict[str, list[float]] = {start.name: [] for start in STARTS}
    for number in range(3 * rounds + 1):
        for start in STARTS:
            seconds = measured(start)
            if number:
                times[start.name].append(seconds * 1000)
    return {name: Series("ms", tuple(values)) for name, values in times.items()}


def measured(start: Start) -> float:
    """Seconds."""
    command = start.command or (sys.executable, "-I", "-c", start.first + TIMED.format(start.timed))
    environ = {**os.environ, "RAAB_ENVIRONMENT": "production"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd="/", env=environ, capture_output=True, text=True, check=not start.command)
    return time.perf_counter() - began if start.command else float(done.stdout)


def table(measured: dict[str, Series]) -> Table:
    rows = []
    for start in STARTS:
        own, beside = measured[start.name], measured[start.beside]
        rows.append((start.name, own.ratio(beside), f"{own.median - beside.median:+.0f} ms", own.text(0)))
    title = "Starts, each in a process of its own: commands as a whole, imports without the interpreter's own start (medians, min-max)"
    return Table(title, ("", "ratio", "more", "time"), tuple(rows))


if __name__ == "__main__":
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)).text())
