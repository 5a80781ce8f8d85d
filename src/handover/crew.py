"""The processes behind the fleet: what they are told before they are forked, what they report, how long they may take, how they ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Any

from handover import states
from handover.process import exit_status
from handover.states import Phase
from handover.worker import HandoverWorker

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter

# Seconds before another worker is forked when the last one could not boot: doubled with each attempt, up to the longest.
_PAUSE = 0.25
_LONGEST_PAUSE = 10.0


class Crew:
    """`why` is what the last worker that could not boot had to say; `pausing` while no worker is to be forked."""

    def __init__(self, master: HandoverArbiter) -> None:
        self._master = master
        self._deadlines: dict[int, float] = {}
        self._reasons: dict[int, str] = {}
        self._pause_end = 0.0
        self.why = ""
        self._reports, self._reporting = os.pipe()
        for fd in (self._reports, self._reporting):
            os.set_blocking(fd, False)
        master.selector.register(self._reports, selectors.EVENT_READ, self.listen)

    @property
    def pausing(self) -> bool:
        """Whether it would be too early for another attempt."""
        return time.monotonic() < self._pause_end

    def prepare(self, worker: HandoverWorker) -> None:
        """Before the fork: what the worker has to know."""
        master = self._master
        others: Any = master.WORKERS.values()
        worker.options, worker.board = master.options, master.board
        worker.slot = master.board.take({other.slot for other in others})
        worker.reports, worker.born = self._reporting, time.monotonic()
        # Of its generation's release, whatever the link leads to by now: a worker that died is replaced by its like.
        worker.root, worker.release = master.root, master.release if master.fleet.incoming is None else master.incoming_release
        worker.must_answer = master.fleet.incoming is not None and master.fleet.generation > 0
        # While a generation is held no worker of another one is forked.
        worker.gate = master.holds.current.gate if master.holds.current else None

    def forked(self, pid: int, generation: int) -> None:
        """After the fork, in the master."""
        self._master.fleet = states.spawned(self._master.fleet, pid, generation, self._master.worker_age)
        self._deadlines[pid] = time.monotonic() + self._master.options.load_timeout

    def not_forked(self, error: OSError) -> None:
        """No process or no room for its heartbeat file. gunicorn's master would end; this one tries again, or gives the generation up."""
        self.why = f"no worker could be forked: {error}"
        self._master.log.error(self.why)
        self._pause_end = time.monotonic() + 4 * _PAUSE
        self._master.fleet = states.unspawnable(self._master.fleet)

    def listen(self) -> None:
        """Read what workers report: that they have loaded the application and wait, that they can answer, or why they cannot."""
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._reports, 65536).decode(errors="replace").splitlines():
                pid, _, word = line.partition(" ")
                if word == "ready":
                    self._master.fleet = states.ready(self._master.fleet, int(pid))
                    self._deadlines.pop(int(pid), None)
                elif word == "loaded":
                    self._deadlines.pop(int(pid), None)
                    self._master.holds.loaded(int(pid))
                else:
                    self._reasons[int(pid)] = word.removeprefix("failed ")

    def dismissed(self, pid: int) -> None:
        """A worker was told to leave, so it has no deadline any more."""
        self._deadlines.pop(pid, None)

    def end_overdue(self, now: float) -> None:
        """End workers that have not finished booting in time; gunicorn's own timeout does not see them (arbiter.py, murder_workers)."""
        for pid, deadline in list(self._deadlines.items()):
            if now > deadline:
                self._deadlines.pop(pid)
                self._reasons[pid] = f"did not finish loading within {self._master.options.load_timeout:g} s"
                self._master.kill_worker(pid, signal.SIGKILL)

    def ended(self, pid: int, worker: Any, status: int) -> None:
        """A worker process was reaped; `status` is that of waitpid(2)."""
        master = self._master
        how, by_signal = exit_status(status)
        reason = self._reasons.pop(pid, "")
        if status:
            master.log.error("Worker (pid:%s) %s%s", pid, how, f": {reason}" if reason else "")
        if any(m.pid == pid and m.phase is Phase.BOOTING for m in master.fleet.members):
            self.why = f"worker {pid} {reason or how}"
        master.fleet = states.left(master.fleet, pid, by_signal=by_signal and not reason)
        if master.fleet.incoming is None and master.fleet.crashes:
            self._pause_end = time.monotonic() + min(_PAUSE * 2 ** min(master.fleet.crashes, 10), _LONGEST_PAUSE)
        self._deadlines.pop(pid, None)
        worker.tmp.close()

    def beats(self, now: float, within: float) -> bool:
        """Whether any worker's loop has turned in the last seconds; each beats once a second."""
        for worker in self._master.WORKERS.values():
            with contextlib.suppress(OSError, ValueError):
                # Before a worker's first beat its file bears the wall clock's time, far from the monotonic one.
                if -1 <= now - worker.tmp.last_update() < within:
                    return True
        return False

    def close(self) -> None:
        """In a forked worker: the reading end is the master's."""
        os.close(self._reports)
