"""The processes behind the fleet: their slots and reports, how long they may take, how they ended."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import struct
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from handover.decision.events import Event, Forked, Left, Said
from handover.process import exit_status
from handover.workers.board import Board

# Seconds for which a template may be silent; it beats every second, unless it forks.
_SILENCE = 5.0
# Seconds beyond graceful_timeout in which a retiring worker has to have closed its listeners and answered.
_LITTLE = 2.0
# Seconds that an interpreter has to end when its worker has finished: functions that are called at exit may wait for ever.
_EXIT = 10.0
ORDER = struct.Struct("=QI")


class Beat:
    """A process's heart, as gunicorn asks for it (gunicorn/workers/workertmp.py)."""

    def __init__(self, board: Board, slot: int) -> None:
        self._board, self.slot = board, slot

    def last_update(self) -> float:
        """When it beat last, in seconds of the monotonic clock; infinity before it ever did."""
        return self._board.beaten(self.slot)

    def close(self) -> None:
        """gunicorn closes files of siblings in a forked worker."""


@dataclass
class Hand:
    """What the master knows a process by: a worker, or a template, which takes `orders`. By the `deadline` it has to have done what it is
    about, else it is `late` with that. gunicorn looks for `tmp` and `aborted` (arbiter.py, murder_workers)."""

    tmp: Beat
    born: float
    deadline: float
    late: str
    orders: socket.socket | None = None
    reason: str = ""
    retired: bool = False
    aborted: bool = False

    def has(self, seconds: float, late: str) -> None:
        """So many seconds from now on."""
        self.deadline, self.late = time.monotonic() + seconds, f"{late} within {seconds:g} s"


class Crew:
    """`hands` are all processes, by pid: gunicorn's WORKERS. Reports are read at `reports` and written to `reporting`."""

    def __init__(self, hands: dict[int, Hand], board: Board) -> None:
        self._hands, self._board = hands, board
        self._promised: dict[int, int] = {}
        self.reports, self.reporting = os.pipe()
        for fd in (self.reports, self.reporting):
            os.set_blocking(fd, False)

    def slot(self, order: int, pending: Collection[int]) -> int:
        """A slot of the board for what was just asked for; `pending` are all orders that are not processes yet."""
        self._promised = {other: slot for other, slot in self._promised.items() if other in pending}
        used = {hand.tmp.slot for hand in self._hands.values()} | set(self._promised.values())
        self._promised[order] = self._board.take(used)
        return self._promised[order]

    def forked(self, order: int, pid: int, seconds: float, orders: socket.socket | None = None) -> None:
        """There is such a process, which may take so many seconds to load."""
        beat = Beat(self._board, self._promised.pop(order))
        self._hands[pid] = hand = Hand(beat, time.monotonic(), math.inf, "", orders)
        hand.has(seconds, "did not finish loading")

    def order(self, template: int, order: int, slot: int) -> bool:
        """Ask a template for a worker. Whether it could be asked."""
        orders = self._hands[template].orders
        assert orders
        try:
            return bool(orders.send(ORDER.pack(order, slot)))
        except OSError:
            return False

    def dismiss(self, pid: int, seconds: float) -> None:
        """It is told to leave, and has so many seconds for what it holds."""
        hand = self._hands[pid]
        if not hand.retired:
            hand.retired = True
            hand.has(seconds + _LITTLE, "did not leave")
        self._board.dismiss(hand.tmp.slot)

    def listen(self) -> Iterator[Event]:
        """What processes report: JSON, a line each, which anything may have written that runs as one of them."""
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self.reports, 65536).splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    pid, word, more = json.loads(line)
                    yield from self._heard(int(pid), str(word), more)

    def _heard(self, pid: int, word: str, more: str | int) -> Iterator[Event]:
        hand = self._hands.get(pid)
        if word == "forked":
            # It writes to its slot, also when what it was promised for is not wanted any more.
            order, slot = map(int, str(more).split())
            self._promised[order] = slot
            yield Forked(order, pid)
        elif word == "unforked":
            number, _, why = str(more).partition(" ")
            yield Forked(int(number), 0, why)
        elif word == "failed" and hand:
            hand.reason = str(more)
        elif word == "done" and hand:
            hand.has(_EXIT, "did not end")
        elif word in ("ready", "unshared", "closed"):
            if hand and word != "closed":
                hand.deadline = math.inf
            yield Said(pid, word, str(more))

    def overdue(self, now: float) -> list[int]:
        """Those that have not done in time what they are about, and templates that are silent; gunicorn's own timeout sees neither."""
        late = []
        for pid, hand in self._hands.items():
            if now > hand.deadline:
                hand.deadline = math.inf
                hand.reason = hand.late
                late.append(pid)
            elif hand.orders and now - hand.tmp.last_update() > _SILENCE:
                late.append(pid)
        return late

    def ended(self, pid: int, status: int) -> Left | None:
        """A process was reaped; `status` is that of waitpid(2). None for one that is not ours: an orphan that we took in."""
        hand = self._hands.pop(pid, None)
        if hand is None:
            return None
        if hand.orders:
            hand.orders.close()
        how, by_signal = exit_status(status)
        return Left(pid, how, by_signal, hand.reason)

    def beats(self, now: float, within: float) -> bool:
        """Whether any worker's loop has turned in the last seconds; each beats once a second. A template's heart is no worker's."""
        return any(0 <= now - hand.tmp.last_update() < within for hand in self._hands.values() if not hand.orders)

    def close(self) -> None:
        """In a forked process: the reading end, and what templates are asked by, are the master's."""
        os.close(self.reports)
        for hand in self._hands.values():
            if hand.orders:
                hand.orders.close()
