"""The gate at which workers of a held release wait: a pipe. A byte for each lets it serve, the pipe's end sends it away."""

from __future__ import annotations

import os


class Gate:
    """`fd` is what workers read."""

    def __init__(self) -> None:
        self.fd, self._key = os.pipe()
        os.set_blocking(self.fd, False)

    def open(self, workers: int) -> None:
        """Let so many workers serve, and send away whoever else waits. What was written is read before the end is seen (pipe(7))."""
        os.write(self._key, bytes(workers))
        os.close(self.fd)
        self.close_key()

    def close_key(self) -> None:
        """In a forked process: the writing end is the master's, and with it the pipe would never end."""
        os.close(self._key)
