"""Hand-over between generations of gunicorn workers: the old one serves until the whole new one can, then it retires.

For gunicorn's configuration file:

    import handover
    on_starting = handover.Options(...)
    worker_class = handover.HandoverWorker
    pre_fork, post_fork = handover.pre_fork, handover.post_fork

Law of this package: it imports the standard library, gunicorn and gevent, and knows nothing of the application. gunicorn's
master imports it, so a change of it needs a new master; `fingerprint` sees to that.
"""

from __future__ import annotations

from typing import Any

from handover.apart import apart
from handover.journal import JournalLogger
from handover.options import Options
from handover.worker import HandoverWorker

__all__ = ["HandoverWorker", "JournalLogger", "Options", "apart", "post_fork", "pre_fork"]


def pre_fork(server: Any, worker: HandoverWorker) -> None:
    """gunicorn's hook in the master, before each fork."""
    server.crew.prepare(worker)


def post_fork(server: Any, worker: HandoverWorker) -> None:
    """gunicorn's hook in the child, after each fork."""
    server.separate(worker)
