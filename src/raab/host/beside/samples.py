"""What processes and timers do, for Prometheus. For root: systemd tells it nobody within the service's sandbox."""

from __future__ import annotations

import time
from collections.abc import Iterator

from raab.host.beside import rows
from raab.host.paths import Paths
from raab.metrics.exposition import Sample


def of(paths: Paths) -> Iterator[Sample]:
    """Nothing of a service that has neither."""
    processes, timers, wanted = rows.processes(paths), rows.timers(paths), rows.wanted(paths)
    if processes:
        labels = [({"process": row.process, "instance": row.name}, row) for row in processes]
        up = tuple((label, int(row.state == "active")) for label, row in labels)
        yield Sample("raab_process_up", "gauge", "Whether a process beside the web runs.", up)
        restarts = tuple((label, row.restarts) for label, row in labels)
        yield Sample("raab_process_restarts_total", "counter", "How often systemd has started it again.", restarts)
    if wanted:
        counts = tuple(({"process": name}, count) for name, count in wanted.items())
        yield Sample("raab_processes_target", "gauge", "How many of a process are wanted.", counts)
    if timers:
        known = [({"timer": row.name}, row) for row in timers]
        ages = tuple((label, round(time.time() - row.last, 3)) for label, row in known if row.last)
        codes = tuple((label, row.code) for label, row in known if row.code is not None)
        if ages:
            yield Sample("raab_timer_last_run_age_seconds", "gauge", "Seconds since the last run of what a timer runs has begun.", ages)
        if codes:
            yield Sample("raab_timer_last_exit_code", "gauge", "Exit code of the last run that has ended.", codes)
