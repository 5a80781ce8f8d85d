"""A page of memory that the master shares with its workers: each worker's tally, and whether the service is stopping."""

import mmap
import struct
from collections.abc import Container
from typing import NamedTuple

_SLOT = struct.Struct("=QII")
_HEADER = 64


class Tally(NamedTuple):
    """What one worker has done and is doing."""

    requests: int
    connections: int
    active: int


class Board:
    """Anonymous shared memory, one slot per live worker. Every slot has one writer, so there are no locks."""

    def __init__(self, slots: int = 1024) -> None:
        self._memory = mmap.mmap(-1, _HEADER + slots * _SLOT.size)
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
        return slot

    def write(self, slot: int, requests: int, connections: int, active: int) -> None:
        """The worker's own view of itself: a `Tally`, in pieces since this is done after each request."""
        _SLOT.pack_into(self._memory, _HEADER + slot * _SLOT.size, requests, connections, active)

    def read(self, slot: int) -> Tally:
        """The last tally that the slot's worker wrote."""
        return Tally(*_SLOT.unpack_from(self._memory, _HEADER + slot * _SLOT.size))
