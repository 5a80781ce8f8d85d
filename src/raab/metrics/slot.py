"""The writing side: one worker's slot."""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
from bisect import bisect_left
from pathlib import Path

from raab.metrics.layout import (
    ABORTED,
    ABORTERS,
    ANSWERED,
    BLOCK,
    BOUNDS,
    BUCKETS,
    BYTES,
    COUNT,
    FAILED,
    IN_FLIGHT,
    LAYOUT,
    PID,
    REST,
    SECONDS,
    SERIES,
    SLOT_BYTES,
    VERSION,
    Name,
)
from raab.metrics.reading import names_of, version_of
from raab.untrusted import open_regular

_log = logging.getLogger(__name__)
_ABORTED = {who: ABORTED + number for number, who in enumerate(ABORTERS)}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Slot:
    """A slot of `folder` that no living worker has. One that a dead worker left is gone on with: so counters never fall, and there
    are never more slots than there were workers at the same time."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            # Whatever the unit's UMask: the group may read, as it may ask the control socket.
            folder.chmod(0o750)
        number = 0
        while (descriptor := _take(folder / f"{number}.slot")) is None:
            number += 1
        # Kept open: the lock on it is what says that this worker lives.
        self._descriptor = descriptor
        names_file = folder / f"{number}.names"
        if version_of(os.pread(descriptor, BLOCK * 8, 0)) != VERSION:
            # Of a worker of another raab, whose numbers mean other things.
            os.ftruncate(descriptor, 0)
            names_file.unlink(missing_ok=True)
        os.ftruncate(descriptor, SLOT_BYTES)
        os.fchmod(descriptor, 0o640)
        self._values = memoryview(mmap.mmap(descriptor, SLOT_BYTES)).cast("d")
        self._values[LAYOUT] = float(VERSION)
        for own in (IN_FLIGHT, ANSWERED, FAILED):
            self._values[own] = 0.0
        # Last: whoever reads it finds this worker's numbers, and not those of the one before.
        self._values[PID] = float(os.getpid())
        # A file of its own making, or of a worker before: not a FIFO that another one has left, which would hang every start.
        names = open_regular(names_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._names = os.fdopen(names, "a", encoding="ascii")
        os.fchmod(self._names.fileno(), 0o640)
        found = names_of(names_file)
        self._blocks: dict[tuple[str, str, int], int] = {name: (index + 1) * BLOCK for index, name in enumerate(found)}

    def enter(self) -> None:
        """A request has begun."""
        self._values[IN_FLIGHT] += 1

    def leave(self) -> None:
        """It has ended."""
        self._values[IN_FLIGHT] -= 1

    def observe(self, method: str, route: str, status: int, seconds: float, sent: int, aborted: str = "", *, ours: bool = False) -> None:
        """Counts a request that ended: its duration in seconds, the bytes of its answer's body, and which of ABORTERS ended it too early.

        What raab itself asks, or answers by an operator's wish (`ours`), is in the series but says nothing of the worker: hundreds of
        answers that cannot fail would hide those that do.
        """
        self._count(method, route, status, seconds, sent)
        values = self._values
        if aborted:
            values[_ABORTED[aborted]] += 1
        if not ours:
            values[ANSWERED] += 1
            if status >= 500 or aborted == "application":
                values[FAILED] += 1

    def refuse(self, method: str, status: int, sent: int) -> None:
        """Counts a request that is none: whatever its status, it is the client's fault."""
        self._count(method, "", status, 0.0, sent)
        self._values[ANSWERED] += 1

    def _count(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        block = self._blocks.get((method, route, status)) or self._block(method, route, status)
        values = self._values
        values[block + COUNT] += 1
        values[block + SECONDS] += seconds
        values[block + BYTES] += sent
        values[block + BUCKETS + bisect_left(BOUNDS, seconds)] += 1

    def _block(self, method: str, route: str, status: int) -> int:
        # A client can make up methods without end.
        name = Name(method if method in _METHODS else "other", route, status)
        if name not in self._blocks and len(self._blocks) >= SERIES - 1:
            name = REST
        return self._blocks.get(name) or self._new(name)

    def _new(self, name: Name) -> int:
        block = (len(self._blocks) + 1) * BLOCK
        # The name first: a reader that comes in between sees a series of zeros.
        self._names.write(json.dumps(name) + "\n")
        self._names.flush()
        self._blocks[name] = block
        return block


class LazySlot:
    """A slot that is taken by the first request: a trial that loads the application has none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._slot: Slot | None = None
        self._failed = False

    @classmethod
    def of_service(cls) -> LazySlot | None:
        """The service's, in its runtime directory; None where nothing is set up for it."""
        folder = os.environ.get("RUNTIME_DIRECTORY")
        return cls(Path(folder) / "metrics") if folder else None

    def get(self) -> Slot | None:
        """None when it cannot be had, which is said once and is no reason to refuse a request."""
        if self._slot is None and not self._failed:
            try:
                self._slot = Slot(self._folder)
            except OSError as error:
                self._failed = True
                _log.error("no metrics: %s: %s", self._folder, error)
        return self._slot


def _take(path: Path) -> int | None:
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
