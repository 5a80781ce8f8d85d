"""Where a run of drills is, while it runs: one line that is rewritten on a terminal, a plain one every ten seconds elsewhere."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from raab.drill.scene import Scene

# How often the line is written, in seconds: as often as a person can read it, and so seldom that a CI's log stays short.
ON_A_TERMINAL, ELSEWHERE = 0.5, 10.0
ERASE = "\r\x1b[K"


class Progress:
    """Writes lines that stay and, between them, the line that tells where things are."""

    def __init__(self, out: TextIO, pause: float | None = None) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._pause = pause or (ON_A_TERMINAL if self._terminal else ELSEWHERE)
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Writes a line that stays."""
        self._write(f"{text}\n")

    @contextmanager
    def telling(self, where: Callable[[], str]) -> Iterator[None]:
        """Writes what `where` says again and again until the block has ended; on a terminal nothing is left of it then."""
        ended = threading.Event()
        writer = threading.Thread(target=self._tell, args=(where, ended), daemon=True)
        writer.start()
        try:
            yield
        finally:
            ended.set()
            writer.join()
            if self._terminal:
                self._write(ERASE)

    def _tell(self, where: Callable[[], str], ended: threading.Event) -> None:
        while not ended.wait(self._pause):
            # A longer line would wrap, and the next one could not be written over it.
            self._write(f"{ERASE}{where()[: shutil.get_terminal_size().columns - 1]}" if self._terminal else f"{where()}\n")

    def _write(self, text: str) -> None:
        with self._lock:
            self._out.write(text)
            self._out.flush()


def where(drill: str, place: str, scene: Scene, began: float) -> str:
    """One drill on its way, in one line; `place` is its own among the drills, `began` a moment of the monotonic clock.

    Lost is what has failed by now without an excuse.
    """
    turn = f"round {scene.round} of {scene.last_round}, " if scene.last_round > 1 else ""
    return (
        f"...   {drill:<18} drill {place}, {turn}operation {scene.operations}, {scene.load.requests:,} requests so far,"
        f" {scene.lost:,} lost, {time.monotonic() - began:.0f} s"
    )
