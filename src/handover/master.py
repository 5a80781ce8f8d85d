"""gunicorn's master with the hand-over: what happens becomes events for `lifecycle`, whose actions become forks, signals and words.

gunicorn's documented extension points do not suffice: its reload stops the old workers as soon as the new ones are forked,
a worker that cannot boot ends the master, a configuration file that raises ends it too (gunicorn/arbiter.py, app/base.py).
So the methods that decide are overridden here, in a subclass that an `on_starting` hook puts in charge, and those that act in deeds.py;
everything else (sockets, logging, the loop, the heartbeat) stays gunicorn's.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import sys
import time
from collections import deque
from typing import Any, NoReturn

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from handover.crew import Crew
from handover.decision import actions, events, lifecycle, states
from handover.decision.actions import Action
from handover.decision.actions import Plain as Do
from handover.decision.events import Event
from handover.decision.reloads import Now, State
from handover.decision.states import Fleet
from handover.deeds import Deeds
from handover.outside import successor
from handover.outside.control import Control
from handover.outside.listeners import Listeners
from handover.outside.predecessor import predecessor
from handover.outside.report import status_of
from handover.outside.successor import Successor
from handover.outside.systemd import Notifier
from handover.process import LEAVE, close_to_equals, descendants, environment_of_start, name_process, take_orphans
from handover.settings import fingerprint
from handover.workers.board import Board


class HandoverArbiter(Deeds):
    """The master. Made out of gunicorn's by `take_charge`, before that has signals, sockets or workers.

    `state` is assigned here alone, in `handle`.
    """

    @classmethod
    def take_charge(cls, server: Arbiter) -> None:
        """Turn gunicorn's running arbiter into this one; called from its `on_starting` hook."""
        server.__class__ = cls
        assert isinstance(server, cls)
        server._begin()

    def _begin(self) -> None:
        self.environment = environment_of_start()
        name_process("gunicorn")
        take_orphans(True)
        # A worker that was taken over shall not take over its master.
        close_to_equals(True)
        self.notifier = Notifier()
        self.board = Board()
        self.crew = Crew(self.WORKERS, self.board)
        self.selector = selectors.PollSelector()
        self.control: Control | None = None
        self.successor: Successor | None = None
        newest = int(os.environ.pop(successor.GENERATION, "0"))
        self.predecessor = predecessor(os.environ)
        if self.predecessor and (why := self.predecessor.unspoken):
            self._give_up(why)
        self.listeners = Listeners(self.notifier)
        self._open_listeners()
        # gunicorn takes the files of its UNIX sockets away when it ends, unless they are systemd's. They are: it keeps the sockets.
        self.systemd = True
        self.prints = fingerprint.of_master()
        # The link of the beginning: a generation that is held reads its settings past it.
        self.root = self.options.root or ""
        wanted = self._target()
        fleet = states.reload(Fleet(wanted, newest=newest), wanted, self._load(self._resolved()))
        self.state = State(fleet, follows=self.predecessor is not None, moving=self.listeners.leaving)
        self.started = time.time()
        self._events: deque[Event] = deque()
        self._handling = False
        self.ending: BaseException | None = None
        self._wake, self._wakeup = os.pipe()
        for fd in (self._wake, self._wakeup):
            os.set_blocking(fd, False)
        self.selector.register(self._wake, selectors.EVENT_READ, lambda: os.read(self._wake, 4096) and ())
        self.selector.register(self.crew.reports, selectors.EVENT_READ, self.crew.listen)
        if self.predecessor:
            self.selector.register(self.predecessor.channel, selectors.EVENT_READ, self._heard_predecessor)
        self.notifier.extend(self.options.load_timeout)

    def _open_listeners(self) -> None:
        try:
            self.LISTENERS = self.listeners.open(  # type: ignore[misc]  # gunicorn sets it so, too
                self.cfg, self.log, follows=self.predecessor is not None
            )
        except (OSError, ValueError) as error:
            self._give_up(f"cannot listen: {error}")

    def _give_up(self, why: str) -> NoReturn:
        """This start comes to nothing."""
        self.log.error("%s", why)
        if self.predecessor:
            self.predecessor.tell(f"failed {why}")
        sys.exit(1)

    @property
    def num_workers(self) -> int:
        """The fleet's target. gunicorn sets it at each load of its settings, which has to change nothing here."""
        return self.state.fleet.target

    @num_workers.setter
    def num_workers(self, value: int) -> None:
        return

    # The loop

    def handle(self, event: Event) -> None:
        """Take up an event, and those that come of what is done about it. Nobody else assigns what the master decides on."""
        self._events.append(event)
        if self._handling:
            return
        self._handling = True
        try:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, events.Forked) and event.pid and event.pid not in self.WORKERS:
                    self.crew.forked(event.order, event.pid, self.options.load_timeout)
                now = Now(time.monotonic(), time.time(), self._resolved())
                self.state, todo = lifecycle.step(self.state, event, now)
                for action in todo:
                    self._carry_out(action)
        finally:
            self._handling = False

    def _carry_out(self, action: Action) -> None:
        match action:
            case Do():
                self._carry_out_plain(action)
            case actions.Fork():
                self.handle(self._fork(action))
            case actions.Order(template, order):
                slot = self.crew.slot(order, self._pending())
                if not self.crew.order(template, order, slot):
                    self.kill_worker(template, signal.SIGKILL)
            case actions.Retire(pid):
                self.kill_worker(pid, signal.SIGTERM)
            case actions.Read(held, renewed):
                self.handle(self._read(held, renewed))
            case actions.Restore(settings):
                self._restore(settings)
            case actions.Tell(client, word, True):
                client.tell({**word, "bind": list(self.cfg.bind), "load_timeout": self.options.load_timeout})
            case actions.Tell(client, word):
                client.answer(word)
            case actions.TellStatus(client):
                client.answer(status_of(self.state, self.board, self.WORKERS, self.started, self.proc_name))
            case actions.Bequeath(word):
                if self.successor:
                    self.successor.tell(word)
                    self._part()
            case actions.Log(level, text):
                self.log.log(level, text)

    def _carry_out_plain(self, action: Do) -> None:
        match action:
            case Do.BEGIN:
                self.notifier.reloading()
                # The template, a new master and its workers may each need the first, and those that leave the second.
                self.notifier.extend(3 * self.options.load_timeout + self.cfg.graceful_timeout)
            case Do.LAUNCH:
                if failed := self._launch():
                    self.handle(failed)
            case Do.ABANDON:
                if self.successor:
                    self.successor.end()
                    self._part()
            case Do.HAND_OVER:
                assert self.successor
                self.notifier.send(f"MAINPID={self.successor.pid}", "READY=1", "WATCHDOG=1")
                self.notifier.silence()
            case Do.SAVE:
                self._save()
            case Do.SERVE:
                self.listeners.listen(self.LISTENERS)
                if self.options.control:
                    self.control = Control(self.options.control, self.selector, self.log.error)
                if self.predecessor:
                    self.predecessor.tell("ready moved" if self.listeners.moved else "ready")
            case Do.DRAIN:
                if self.listeners.drained(self.LISTENERS):
                    self.handle(events.Plain.DRAINED)
            case Do.DROP:
                self.LISTENERS = self.listeners.drop(self.LISTENERS)  # type: ignore[misc]
            case Do.ANNOUNCE:
                self.listeners.keep(self.LISTENERS)
                self.notifier.send("READY=1")
                self._announce_target()
            case Do.ANNOUNCE_TARGET:
                self._announce_target()
            case Do.TIDY:
                # The settings of before are garbage, which would stay for ever once frozen (`_fork`).
                gc.unfreeze()
                gc.collect()
            case Do.HALT:
                if self.predecessor:
                    self.predecessor.tell(f"failed {self.state.why}")
                self.ending = HaltServer(f"not started: {self.state.why}", self.WORKER_BOOT_ERROR)
            case Do.LEAVE:
                self.ending = StopIteration()

    def init_signals(self) -> None:
        """gunicorn's handlers, and a pipe that wakes the loop. What was blocked until now (see raab.service) arrives."""
        super().init_signals()
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.SIGNALS)

    def signal(self, sig: int, frame: Any) -> None:
        """Queue a signal; a stop is made known to the workers at once, also while the master waits for them."""
        if sig in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self.board.stopping = True
        super().signal(sig, frame)

    def wait_for_signals(self, timeout: float | None = 1.0) -> list[int]:
        """Wait for anything: a signal, a process's report, a client of the control socket, a word of the other master."""
        for key, _ in self.selector.select(timeout):
            with contextlib.suppress(BlockingIOError):
                # One that was read before may have ended this conversation.
                if key.fd in self.selector.get_map():
                    for event in key.data():
                        self.handle(event)
        signals = []
        while not self.SIG_QUEUE.empty():
            signals.append(self.SIG_QUEUE.get_nowait())
        return signals

    def _start_control_server(self) -> None:
        """Not gunicorn's control server, a thread beside forks: ours is served in the loop, once workers serve."""

    def murder_workers(self) -> None:
        """gunicorn's check of heartbeats, once a second, and whatever else has a time limit."""
        super().murder_workers()
        now = time.monotonic()
        for pid in self.crew.overdue(now):
            self.kill_worker(pid, signal.SIGKILL)
        # Workers beat every second, so a third of systemd's patience is plenty.
        if self.notifier.watchdog and self.crew.beats(now, self.notifier.watchdog / 3 + 1):
            self.notifier.send("WATCHDOG=1")

    def manage_workers(self) -> None:
        """gunicorn calls it once a turn of its loop, which these exceptions end (arbiter.py, run); anywhere else they would cut off what
        is being done, as the note that a process has ended."""
        self.handle(events.Plain.TICK)
        if self.ending:
            raise self.ending

    def reap_workers(self) -> None:
        """Take note of ended processes. No exit status of a worker ends the master, unlike gunicorn's 3 and 4."""
        if self.state.stopping:
            # gunicorn's stop looks at nobody's heart, and waits for the dead as long as for the living.
            self.murder_workers()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid, status = 0, 0
            # What it said is read before its end is told, and be it that it was forked at all.
            for event in self.crew.listen():
                self.handle(event)
            if pid == 0:
                return
            hand = self.WORKERS.get(pid)
            if left := self.crew.ended(pid, status):
                dismissed = hand.retired and os.WIFSIGNALED(status) and os.WTERMSIG(status) == LEAVE
                if status and not dismissed:
                    kind = "Template" if hand.orders else "Worker"
                    self.log.error("%s (pid:%s) %s%s", kind, pid, left.how, f": {left.reason}" if left.reason else "")
                self.handle(left)
                self.cfg.child_exit(self, hand)

    # Signals of operators

    def handle_hup(self) -> None:
        """A new generation is wanted."""
        self.handle(events.Plain.HUP)

    def handle_usr2(self) -> None:
        """A new master is wanted, with a new generation."""
        self.handle(events.Plain.USR2)

    def handle_ttin(self) -> None:
        """One worker more."""
        self.handle(events.Scaled(1))

    def handle_ttou(self) -> None:
        """One worker fewer."""
        self.handle(events.Scaled(-1))

    def handle_winch(self) -> None:
        """gunicorn's master ignores this signal unless it is a daemon; so does this one, always."""

    # The end

    def stop(self, graceful: bool = True) -> None:
        """End the workers. After a replacement, the service goes on under the successor, and its clients are waited for."""
        if self.state.leaving is None:
            self.board.stopping = True
            # A start may follow.
            self.listeners.keep_on(self.LISTENERS)
            self.notifier.send("STOPPING=1")
            self.notifier.extend(self.cfg.graceful_timeout)
        self.handle(events.Plain.STOPPING)
        self._end_workers(graceful)
        if self.state.leaving is None:
            # What workers have forked and left behind would be waited for by systemd (systemd.kill(5), KillMode=).
            for pid in descendants(self.pid):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
