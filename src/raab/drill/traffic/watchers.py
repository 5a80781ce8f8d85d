"""Clients that watch: event streams and WebSockets, idle nearly always, which come back when theirs has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from raab.drill.traffic.http import Address
from raab.errors import RaabError

OPENING_SECONDS = 60.0


class Ending(NamedTuple):
    """How one client's stream ended: `at` is a moment of the monotonic clock, `whole` whether it was told so by its protocol."""

    at: float
    whole: bool
    how: str


class Report(NamedTuple):
    """Clients that are served now, by release, and every ending until now."""

    served: dict[str, int]
    endings: tuple[Ending, ...]

    @property
    def open(self) -> int:
        return sum(self.served.values())


class Watchers:
    """A context in which so many streams and WebSockets are open: entering returns when each has had its first word.

    Raises RaabError when they have not within a minute.
    """

    def __init__(self, targets: Sequence[Address], streams: int, sockets: int) -> None:
        self.count = streams + sockets
        self._order = {"targets": tuple(targets), "streams": streams, "sockets": sockets}

    def __enter__(self) -> Watchers:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "raab.drill.traffic.watcher"], cwd=os.sep, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._tell(json.dumps(self._order))
            self.wait(OPENING_SECONDS)
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._kill()

    def report(self) -> Report:
        """What is known now."""
        self._tell("report")
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RaabError(f"watchers: their process died, got exit code {self._process.wait()}", "its error stands above")
        told = json.loads(line)
        return Report(told["served"], tuple(Ending(*ending) for ending in told["endings"]))

    def wait(self, seconds: float, release: str | None = None) -> Report:
        """Waits until all are served, by that release if one is named. Raises RaabError after so many seconds."""
        end = time.monotonic() + seconds
        while True:
            report = self.report()
            if (report.open if release is None else report.served.get(release, 0)) == self.count:
                return report
            if time.monotonic() > end:
                last = report.endings[-1].how if report.endings else "none has ended"
                raise RaabError(f"watchers: {self.count} wanted within {seconds:.0f} s, got {report.served}; the last one: {last}")
            time.sleep(0.2)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
