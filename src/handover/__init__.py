"""Hand-over between generations of gunicorn workers: the old one serves until the whole new one can, then it retires.

For gunicorn's configuration file:

    import handover
    on_starting = handover.Options(...)
    worker_class = handover.HandoverWorker
    pre_fork, post_fork = handover.pre_fork, handover.post_fork

Law of this package: it imports the standard library, gunicorn and gevent, and knows nothing of the application. gunicorn's
master imports it, so a change of it needs a new master; `fingerprint` sees to that. Within it, master.py is imported here alone.
"""

from __future__ import annotations

from typing import Any

from handover.master import HandoverArbiter
from handover.settings import options
from handover.settings.apart import apart
from handover.settings.journal import JournalLogger
from handover.workers.worker import HandoverWorker

__all__ = ["HandoverWorker", "JournalLogger", "Options", "apart", "post_fork", "pre_fork"]


class Options(options.Options):
    """The settings as gunicorn's `on_starting` hook: called by it, they take charge of the arbiter."""

    def __call__(self, server: Any) -> None:
        HandoverArbiter.take_charge(server)


def pre_fork(server: Any, worker: HandoverWorker) -> None:
    """gunicorn's hook in the master, before each fork."""
    worker.errand = server.errand


def post_fork(server: Any, worker: HandoverWorker) -> None:
    """gunicorn's hook in the child, after each fork."""
    server.separate(worker)
