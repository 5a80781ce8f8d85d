"""Clients that have left an event stream. Who sends nothing to them would never notice, and would keep their places for ever."""

from __future__ import annotations

import select
from collections.abc import Iterable

from gevent import monkey

from http1.connection import Connection

# gevent's own would wait, and let others have their turn.
_poll = monkey.get_original("select", "poll")


def end_deserted(connections: Iterable[Connection]) -> None:
    """Ends the event streams whose clients have closed their side. No client of these does that and goes on reading: what it would have to
    say it has said (WHATWG HTML, section 9.2)."""
    streams = {one.client.fileno(): one for one in connections if one.answer is not None and one.answer.streaming}
    # Of those that have been closed already.
    streams.pop(-1, None)
    if not streams:
        return
    look = _poll()
    for descriptor in streams:
        look.register(descriptor, select.POLLRDHUP)
    for descriptor, _ in look.poll(0):
        streams[descriptor].desert()
