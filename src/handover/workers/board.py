"""A page of memory that the master shares with its workers: each one's tally and heartbeat, who is to leave, whether the service stops."""

import math
import mmap
import time
from collections.abc import Container
from typing import NamedTuple


class Tally(NamedTuple):
    """What one worker has done and is doing."""

    requests: int
    connections: int
    active: int


class Board:
    """Anonymous shared memory, one slot per live worker. Every slot has one writer, so there are no locks.

    A reader may look at any moment, so each number is written by one store: an item of a memoryview is (CPython, memoryobject.c,
    pack_single), while struct.pack_into makes it 0 first, which for a heartbeat means a worker that is killed.
    """

    def __init__(self, slots: int = 1024) -> None:
        memory = memoryview(mmap.mmap(-1, 8 + slots * 33))
        self._counts, self._beats = memory[8 : 8 + slots * 24].cast("Q"), memory[8 + slots * 24 : 8 + slots * 32].cast("d")
        self._flags, self._dismissed = memory[:8], memory[8 + slots * 32 :]

    @property
    def stopping(self) -> bool:
        """Whether the whole service is to end, so that idle connections are not waited for."""
        return self._flags[0] == 1

    @stopping.setter
    def stopping(self, value: bool) -> None:
        self._flags[0] = int(value)

    def take(self, used: Container[int]) -> int:
        """An empty slot for a worker about to be forked; `used` are those of the workers that there are."""
        slot = next(number for number in range(len(self._beats)) if number not in used)
        self.write(slot, 0, 0, 0)
        self._dismissed[slot] = 0
        # It has all the time until its first beat.
        self._beats[slot] = math.inf
        return slot

    def dismiss(self, slot: int) -> None:
        """The slot's worker is to leave, whatever has become of the signals that tell it."""
        self._dismissed[slot] = 1

    def dismissed(self, slot: int) -> bool:
        """Whether it is."""
        return self._dismissed[slot] == 1

    def write(self, slot: int, requests: int, connections: int, active: int) -> None:
        """The worker's own view of itself: a `Tally`, in pieces since this is done after each request."""
        place = 3 * slot
        self._counts[place], self._counts[place + 1], self._counts[place + 2] = requests, connections, active

    def read(self, slot: int) -> Tally:
        """The last tally that the slot's worker wrote."""
        return Tally(*self._counts[3 * slot : 3 * slot + 3])

    def beat(self, slot: int) -> None:
        """The heart of the slot's process beats now."""
        self._beats[slot] = time.monotonic()

    def beaten(self, slot: int) -> float:
        """When it beat last, in seconds of the monotonic clock; infinity before it ever did."""
        return self._beats[slot]
