"""One master follows another: both sides of it, the one that leaves and the one that comes."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from handover import successor
from handover.report import Outcome

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter

# Seconds for which a master goes on serving an address that its successor does not, so that clients can follow.
_MOVING = 2.0


class Word(NamedTuple):
    """What a master tells its successor when systemd has been told.

    `again`: whether to reload once more. `outcome`: the verdict. `scaled`: the target, if somebody changed it meanwhile.
    """

    again: bool
    outcome: Outcome | None
    scaled: int | None


class Succession:
    """`active` while a successor of this master is being started, `succeeded` when it serves.

    `waits_for_word` while this master is itself a successor that the service manager does not know yet.
    """

    def __init__(self, master: HandoverArbiter) -> None:
        self._master = master
        self.generation = int(os.environ.pop(successor.GENERATION, "0"))
        self._predecessor = successor.channel_from(os.environ)
        self._successor: socket.socket | None = None
        self._pid = 0
        self._deadline = 0.0
        self._target = 0
        self._leaving_at = 0.0
        self.succeeded = False
        if self._predecessor:
            self._tell_predecessor(f"pid {os.getpid()}")
            master.selector.register(self._predecessor, selectors.EVENT_READ, self._word_of_predecessor)

    # As the one that leaves

    @property
    def active(self) -> bool:
        """Whether a successor is on its way."""
        return self._successor is not None

    def begin(self, why: str) -> None:
        """Start a new master on our sockets."""
        master = self._master
        master.log.info("reload: replacing the master, since these changed: %s", why)
        command = [str(master.START_CTX[0]), *map(str, master.START_CTX["args"][1:])]
        environ = {**os.environ, **master.notifier.environment(), successor.GENERATION: str(master.fleet.newest)}
        environ.pop("SERVER_SOFTWARE", None)
        passed = master.listeners.passed_on(master.LISTENERS)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU))
        try:
            self._successor = successor.launch(command, environ, passed)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._target = master.fleet.target
        # Its own workers have the whole load_timeout; the master itself takes time to come up before it forks them.
        self._deadline = time.monotonic() + 2 * master.options.load_timeout
        master.selector.register(self._successor, selectors.EVENT_READ, self._word_of_successor)

    def _word_of_successor(self) -> None:
        assert self._successor
        word = self._successor.recv(4096).decode(errors="replace")
        if word.startswith("pid "):
            self._pid = int(word[4:])
        elif word in ("ready", "ready moved"):
            self._hand_over(moved=word == "ready moved")
        else:
            self._give_up(word.removeprefix("failed ") or "the new master ended before it could serve, see the lines above")

    def _hand_over(self, moved: bool) -> None:
        assert self._successor
        master = self._master
        master.notifier.send(f"MAINPID={self._pid}", "READY=1", "WATCHDOG=1")
        master.notifier.silence()
        self.succeeded = True
        master.reloads.conclude("", replaced=True)
        target = master.fleet.target
        word = Word(master.fleet.again, master.reloads.outcome, target if target != self._target else None)
        with contextlib.suppress(OSError):
            self._successor.send(json.dumps(word).encode())
        self._leaving_at = time.monotonic() + (_MOVING if moved else 0.0)

    def _give_up(self, reason: str) -> None:
        self.abandon()
        self._master.reloads.conclude(reason)

    def abandon(self) -> None:
        """End a successor that is not ready; it is not a child of ours, so nothing has to be reaped."""
        if self._successor is None or self.succeeded:
            return
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._master.selector.unregister(self._successor)
        self._successor.close()
        self._successor, self._pid = None, 0

    def check(self, now: float) -> None:
        """Once a second: leave when the successor serves; give it up when it takes too long. Raises StopIteration to leave."""
        if self.succeeded and now >= self._leaving_at:
            raise StopIteration
        if self.active and not self.succeeded and now > self._deadline:
            self._give_up("the new master could not serve in time")

    # As the one that comes

    @property
    def waits_for_word(self) -> bool:
        """Whether a predecessor still speaks for the service."""
        return self._predecessor is not None

    def ready(self) -> None:
        """Our first generation is complete."""
        self._tell_predecessor("ready moved" if self._master.listeners.moved else "ready")

    def failed(self, reason: str) -> None:
        """Our first generation cannot be had."""
        self._tell_predecessor(f"failed {reason}")

    def _tell_predecessor(self, word: str) -> None:
        if self._predecessor:
            with contextlib.suppress(OSError):
                self._predecessor.send(word.encode()[:4000])

    def _word_of_predecessor(self) -> None:
        """It has named us to systemd, or it is gone: in both cases we speak from now on."""
        assert self._predecessor
        word = self._predecessor.recv(4096)
        self._master.selector.unregister(self._predecessor)
        self._predecessor.close()
        self._predecessor = None
        if self._master.fleet.generation == 0:
            # The old master ended before we could serve, so the service is ending: nobody asked for us any more.
            raise StopIteration
        again, outcome, scaled = json.loads(word) if word else (False, None, None)
        self._master.reloads.outcome = Outcome(*outcome) if outcome else None
        if scaled is not None:
            self._master.scaling.to(scaled)
        self._master.announce()
        self._master.fleet = replace(self._master.fleet, again=self._master.fleet.again or again)
        self._master.reloads.next()

    def close(self) -> None:
        """In a forked worker: these conversations are the master's."""
        for channel in (self._predecessor, self._successor):
            if channel:
                channel.close()
