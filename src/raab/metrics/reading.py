"""The reading side: all slots of a folder as one. It writes nothing, so that root may read what the service owns."""

from __future__ import annotations

import fcntl
import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from raab.metrics.layout import BLOCK, BUCKETS, BYTES, COUNT, IN_FLIGHT, SECONDS, Name


@dataclass(frozen=True)
class Series:
    """What one series has counted, over all workers that ever were. `buckets` are not cumulated."""

    name: Name
    count: float
    seconds: float
    bytes: float
    buckets: tuple[float, ...]


@dataclass(frozen=True)
class Reading:
    """All series, by name, and the requests being answered by the workers that live."""

    series: tuple[Series, ...]
    in_flight: int


def read(folder: Path) -> Reading:
    """The sum of all slots. An absent folder has none."""
    blocks: dict[Name, list[float]] = {}
    in_flight = 0.0
    for path in sorted(folder.glob("*.slot")):
        with path.open("rb") as slot:
            values = array("d", slot.read())
            in_flight += values[IN_FLIGHT] if values and _alive(slot.fileno()) else 0
        for index, name in enumerate(_names(path.with_suffix(".names"))):
            block = values[(index + 1) * BLOCK : (index + 2) * BLOCK]
            if len(block) == BLOCK:
                blocks[name] = [a + b for a, b in zip(blocks[name], block, strict=True)] if name in blocks else list(block)
    series = (Series(name, b[COUNT], b[SECONDS], b[BYTES], tuple(b[BUCKETS:])) for name, b in sorted(blocks.items()))
    return Reading(tuple(series), int(in_flight))


def _names(path: Path) -> Iterator[Name]:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return
    # Up to the last line that is complete: its writer may be at it.
    for line in text[: text.rfind("\n") + 1].splitlines():
        yield Name(*json.loads(line))


def _alive(descriptor: int) -> bool:
    """Whether a worker holds the slot. Its lock goes with it, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
