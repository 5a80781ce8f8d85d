"""How a slot lies on disk: `<n>.slot`, an array of doubles, and `<n>.names`, a JSON line for each series in the array's order.

The first block of the array is no series: it holds what is counted of all of them, and of the worker that has the slot. Each further one
is a series. A worker writes to its own slot only, one aligned
double at a time, so that readers in other processes need no lock.
"""

from __future__ import annotations

from typing import NamedTuple

# Upper bounds in seconds, as Prometheus' own libraries have them.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# A block: count, seconds, bytes, then a count for each bound and one for what is above them all.
COUNT, SECONDS, BYTES, BUCKETS = 0, 1, 2, 3
BLOCK = BUCKETS + len(BOUNDS) + 1
# The first block: requests being answered, the worker's process id, the requests that it has answered, and how many of these failed by the
# fault of what it runs. All four are the worker's and begin anew with each; then, as lasting as the series, the answers that were cut, a
# count for each of ABORTERS.
IN_FLIGHT, PID, ANSWERED, FAILED, ABORTED = 0, 1, 2, 3, 4
# Which version of all this a slot is written in; 0 is the first, too, from before there were versions. Workers of two raabs have the same
# folder when one follows the other, and the host's `raab` reads what workers of all of them write.
LAYOUT, VERSION = 14, 1
# Who can have cut an answer: a client that went away, the application by an error, the limit on the time that a client may take for it, a
# worker that had to leave.
ABORTERS = ("client", "application", "time limit", "worker")

# Routes are few, but a foreign application may answer with any status: beyond so many series all go into the last.
SERIES = 500
SLOT_BYTES = (1 + SERIES) * BLOCK * 8


class Name(NamedTuple):
    """What a series counts: requests of one method to one route, as it was declared, that were answered with one status."""

    method: str
    route: str
    status: int


REST = Name("other", "other", 0)
