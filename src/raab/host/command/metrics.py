"""`raab metrics`: what the workers have counted and the master knows, in Prometheus' text format.

For node_exporter's textfile collector or anything else that runs a command; it needs neither a port nor a worker's time. The same is
served at the admin listener's /metrics (raab.admin).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from raab.errors import RaabError
from raab.host.beside import samples
from raab.host.master.counters import counted
from raab.host.master.samples import service
from raab.host.paths import Paths
from raab.metrics.exposition import Told, render


def run(services: Sequence[Paths], _: argparse.Namespace) -> int:
    """Print all metrics of these services. One that is not running is a metric too: raab_up 0. Of one that cannot be asked there are none,
    which is said on stderr and by the exit code."""
    found: list[Told] = []
    failed: list[RaabError] = []
    for paths in services:
        try:
            found.append(Told(paths.name, counted(paths), [*service(paths, 10.0), *samples.of(paths)]))
        except RaabError as error:
            failed.append(error)
    sys.stdout.write(render(*found))
    for one in failed:
        print(one, file=sys.stderr)
    return max((one.exit_code for one in failed), default=0)
