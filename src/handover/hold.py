"""A generation that is loaded before its release is the current one, and serves nobody until it is.

So the trial of a release is made by the very processes that will serve it. Whether they will is decided by the link to the release
alone, which whoever asked for them moves or does not: a deployer that is killed leaves no doubt.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any

from handover import states
from handover.control import Client
from handover.states import Fleet, Phase


class Hold:
    """One such generation, of `release`, for `client`, who has so many `seconds` to move the link once it is loaded.

    Its workers wait at `gate`, a pipe: a byte for each lets it serve, the pipe's end sends it away.
    """

    def __init__(self, client: Client, release: str, seconds: float) -> None:
        self.client = client
        self.release = release
        self._seconds = seconds
        self._deadline = math.inf
        self._loaded: set[int] = set()
        self.gate, self._key = os.pipe()
        os.set_blocking(self.gate, False)

    def loaded(self, pid: int, fleet: Fleet, told: dict[str, Any]) -> None:
        """A worker has loaded the release. `told` is what the client learns when it was the last one."""
        self._loaded.add(pid)
        waiting = {member.pid for member in fleet.of(Phase.BOOTING, generation=fleet.incoming)}
        if waiting <= self._loaded and not states.settle(fleet).spawn and self._deadline == math.inf:
            self._deadline = time.monotonic() + self._seconds
            self.client.tell({"held": True, **told})

    def overdue(self, now: float) -> bool:
        """Whether the client has been silent for too long."""
        return now > self._deadline

    def open(self, workers: int) -> None:
        """Let so many workers serve."""
        os.write(self._key, bytes(workers))
        self.close()

    def close(self) -> None:
        """Send away whoever still waits. What was written is read before the end is seen."""
        os.close(self.gate)
        self.close_key()

    def close_key(self) -> None:
        """In a forked worker: the writing end is the master's, and with it the pipe would never end."""
        os.close(self._key)
