"""The reading side: all slots of a folder as one. It writes nothing and believes nothing, so that root may read what the service owns."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import struct
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from raab.errors import RaabError
from raab.metrics.layout import (
    ABORTED,
    ABORTERS,
    ANSWERED,
    BLOCK,
    BUCKETS,
    BYTES,
    COUNT,
    FAILED,
    IN_FLIGHT,
    LAYOUT,
    PID,
    SECONDS,
    SERIES,
    SLOT_BYTES,
    VERSION,
    Name,
)
from raab.plain import plain
from raab.untrusted import UntrustedError, open_regular
from raab.untrusted import read as read_untrusted

# More slots than workers could ever be at the same time, and room for the longest routes.
_SLOTS = 1000
_NAMES_BYTES = SERIES * 1000
# Up to here a double counts exactly; a counter that is beyond has not counted.
_MOST = float(1 << 53)


class Series(NamedTuple):
    """What one series has counted, over all workers that ever were. `buckets` are not cumulated."""

    name: Name
    total: float
    seconds: float
    bytes: float
    buckets: tuple[float, ...]


class Tally(NamedTuple):
    """What one living worker has answered, and how much of it failed by the fault of what it runs: by a 5xx status, or cut by the
    application."""

    answered: int
    failed: int


class Reading(NamedTuple):
    """All series, by name; of the workers that live, the requests being answered, and the tally of each by its process id; and how many
    answers each of ABORTERS has ended too early. A worker that has not been asked anything yet has no tally."""

    series: tuple[Series, ...]
    in_flight: int
    workers: Mapping[int, Tally]
    aborted: Mapping[str, int]


def read(folder: Path) -> Reading:
    """The sum of all slots. An absent folder has none. Raises UntrustedError when something in it is not what a worker writes, RaabError
    for a worker of a newer raab's."""
    blocks: dict[Name, list[float]] = {}
    in_flight = 0.0
    workers: dict[int, Tally] = {}
    aborted = dict.fromkeys(ABORTERS, 0)
    for path in _slots(folder):
        with os.fdopen(open_regular(path), "rb") as slot:
            content = slot.read(SLOT_BYTES)
            alive = _alive(slot.fileno())
        if (version := version_of(content)) > VERSION:
            if not alive:
                # Left by the release that was gone back from.
                continue
            problem = f"{path}: a worker counts in version {version}, and this raab reads version {VERSION}"
            raise RaabError(problem, "deploy a release of that service: it brings the raab that counts so")
        values = array("d", content[: len(content) // 8 * 8])
        own = _counted(path, values[:BLOCK])
        if len(own) == BLOCK:
            for number, who in enumerate(ABORTERS):
                aborted[who] += int(own[ABORTED + number])
            if alive:
                in_flight += own[IN_FLIGHT]
                workers[int(own[PID])] = Tally(int(own[ANSWERED]), int(own[FAILED]))
        for index, name in enumerate(names_of(path.with_suffix(".names"))):
            block = values[(index + 1) * BLOCK : (index + 2) * BLOCK]
            if len(block) == BLOCK:
                _counted(path, block)
                blocks[name] = [a + b for a, b in zip(blocks[name], block, strict=True)] if name in blocks else list(block)
    series = (Series(name, b[COUNT], b[SECONDS], b[BYTES], tuple(b[BUCKETS:])) for name, b in sorted(blocks.items()))
    return Reading(tuple(series), int(in_flight), workers, aborted)


def version_of(content: bytes) -> int:
    """The version that a slot's first block is written in; what is no number of one is for `read` to refuse."""
    place = LAYOUT * 8
    (told,) = struct.unpack_from("d", content, place) if len(content) >= place + 8 else (0.0,)
    return max(1, int(told)) if 0 <= told <= _MOST else 1


def _slots(folder: Path) -> list[Path]:
    try:
        kind = folder.lstat().st_mode
    except FileNotFoundError:
        return []
    if not stat.S_ISDIR(kind):
        raise UntrustedError(f"{folder}: not a folder")
    found = [path for path, _ in zip(folder.glob("*.slot"), range(_SLOTS + 1), strict=False)]
    if len(found) > _SLOTS:
        raise UntrustedError(f"{folder}: more than {_SLOTS} slots")
    return sorted(found)


def _counted(path: Path, values: array[float]) -> array[float]:
    if not all(0 <= value <= _MOST for value in values):
        raise UntrustedError(f"{path}: not numbers that a worker has counted")
    return values


def names_of(path: Path) -> Iterator[Name]:
    """The series of a slot, in its order. Raises UntrustedError as `read` does."""
    try:
        text = read_untrusted(path, _NAMES_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return
    # Up to the last line that is complete: its writer may be at it.
    lines = text[: text.rfind("\n") + 1].splitlines()
    if len(lines) > SERIES:
        raise UntrustedError(f"{path}: more than {SERIES} series")
    for line in lines:
        try:
            name = Name(*json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            raise UntrustedError(f"{path}: not the name of a series, got {plain(line)!r}") from error
        if (type(name.method), type(name.route), type(name.status)) != (str, str, int):
            raise UntrustedError(f"{path}: not the name of a series, got {plain(line)!r}")
        yield name


def _alive(descriptor: int) -> bool:
    """Whether a worker holds the slot. Its lock goes with it, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False
