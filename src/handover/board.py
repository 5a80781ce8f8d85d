"""A page of memory that the master shares with its workers: each one's tally and heartbeat, and whether the service is stopping."""

import math
import mmap
import struct
import time
from collections.abc import Container
from typing import NamedTuple

_TALLY = struct.Struct("=QII")
_BEAT = struct.Struct("=d")
_SLOT = _TALLY.size + _BEAT.size
_HEADER = 64


class Tally(NamedTuple):
    """What one worker has done and is doing."""

    requests: int
    connections: int
    active: int


class Board:
    """Anonymous shared memory, one slot per live worker. Every slot has one writer, so there are no locks."""

    def __init__(self, slots: int = 1024) -> None:
        self._memory = mmap.mmap(-1, _HEADER + slots * _SLOT)
        self._slots = slots

    @property
    def stopping(self) -> bool:
        """Whether the whole service is to end, so that idle connections are not waited for."""
        return self._memory[0] == 1

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self._memory[0] = int(value)

    def take(self, used: Container[int]) -> int:
        """An empty slot for a worker about to be forked; `used` are those of the workers that there are."""
        slot = next(number for number in range(self._slots) if number not in used)
        self.write(slot, 0, 0, 0)
        # It has all the time until its first beat.
        self._beat(slot, math.inf)
        return slot

    def write(self, slot: int, requests: int, connections: int, active: int) -> None:
        """The worker's own view of itself: a `Tally`, in pieces since this is done after each request."""
        _TALLY.pack_into(self._memory, _HEADER + slot * _SLOT, requests, connections, active)

    def read(self, slot: int) -> Tally:
        """The last tally that the slot's worker wrote."""
        return Tally(*_TALLY.unpack_from(self._memory, _HEADER + slot * _SLOT))

    def beat(self, slot: int) -> None:
        """The heart of the slot's process beats now."""
        self._beat(slot, time.monotonic())

    def _beat(self, slot: int, now: float) -> None:
        _BEAT.pack_into(self._memory, _HEADER + slot * _SLOT + _TALLY.size, now)

    def beaten(self, slot: int) -> float:
        """When it beat last, in seconds of the monotonic clock; infinity before it ever did."""
        return float(_BEAT.unpack_from(self._memory, _HEADER + slot * _SLOT + _TALLY.size)[0])
