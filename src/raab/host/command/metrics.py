"""`raab metrics`: what the workers have counted and the master knows, in Prometheus' text format.

For node_exporter's textfile collector or anything else that runs a command; it needs neither a port nor a worker's time. The same is
served at the admin listener's /metrics (raab.admin).
"""

from __future__ import annotations

import argparse
import sys

from raab.host.master.counters import counted
from raab.host.master.samples import service
from raab.host.paths import Paths
from raab.metrics.exposition import render


def run(paths: Paths, args: argparse.Namespace) -> int:
    """Print all metrics. A service that is not running is a metric too: raab_up 0."""
    sys.stdout.write(render(counted(paths), service(paths, 10.0)))
    return 0
