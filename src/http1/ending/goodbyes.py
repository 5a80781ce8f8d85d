"""The ends of what lasts as long as its client likes, when its worker retires."""

from __future__ import annotations

from collections.abc import Iterable

from http1.connection import Connection


class Goodbyes:
    """Spreads them evenly over `seconds` from the moment `now` on (of the monotonic clock), lest all clients come back at once."""

    def __init__(self, seconds: float, now: float) -> None:
        self._end, self._looked = now + seconds, now
        # How many are due. A half at first, so that a single one is told in the middle of the time and not at its end.
        self._due = 0.5

    def say(self, connections: Iterable[Connection], now: float) -> None:
        """Ends those whose turn it is; all of them once the time is over (`now` may be infinite)."""
        left = [connection for connection in connections if connection.lasting and not connection.told]
        remaining = self._end - self._looked
        self._due += len(left) * min(1.0, (now - self._looked) / remaining) if remaining > 0 else len(left)
        self._looked = now
        for connection in left[: int(self._due)]:
            connection.say_goodbye()
            self._due -= 1
