"""gunicorn's master with the hand-over: what happens becomes events for `lifecycle`, whose actions become forks, signals and words.

gunicorn's documented extension points do not suffice: its reload stops the old workers as soon as the new ones are forked,
a worker that cannot boot ends the master, a configuration file that raises ends it too (gunicorn/arbiter.py, app/base.py).
So the methods that decide are overridden here, in a subclass that an `on_starting` hook puts in charge; everything else
(sockets, forking, logging, the loop, the heartbeat, stopping) stays gunicorn's.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
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
from handover.decision.states import Fleet, Load
from handover.outside import successor
from handover.outside.control import Control
from handover.outside.listeners import Listeners
from handover.outside.predecessor import predecessor
from handover.outside.report import status_of
from handover.outside.successor import Successor
from handover.outside.systemd import Notifier
from handover.process import LEAVE, close_to_equals, descendants, environment_of_start, name_process, parent_of, take_orphans
from handover.settings import configuration, fingerprint, target
from handover.settings.options import Options
from handover.workers.board import Board
from handover.workers.errand import Errand
from handover.workers.template import BY_HAND
from handover.workers.worker import HandoverWorker

# Seconds for workers that are told to end at once, and between looks at those that end.
_HURRY = 2.0
_STEP = 0.1


class HandoverArbiter(Arbiter):
    """The master. Made out of gunicorn's by `take_charge`, before that has signals, sockets or workers.

    `state` is assigned here alone, in `handle`.
    """

    # gunicorn's logger, which it has made by the time that its hooks run, and all processes (crew.py, Hand).
    log: Any
    WORKERS: Any  # type: ignore[misc]

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
    def options(self) -> Options:
        """The settings of the hand-over, as the configuration in force has them."""
        options = self.cfg.on_starting
        assert isinstance(options, Options)
        return options

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
                self._launch()
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

    # Processes

    def _fork(self, fork: actions.Fork) -> events.Forked:
        """Fork a template, or a worker that loads by itself. Signals wait meanwhile: in the child they would meet handlers that are the
        master's."""
        fleet = self.state.fleet
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if fork.template else (None, None)
        except OSError as error:
            return events.Forked(fork.order, 0, str(error))
        self.errand = Errand(
            self.options,
            self.board,
            self.crew.slot(fork.order, self._pending()),
            self.root,
            fleet.loads[fork.generation].release,
            self.crew.reporting,
            # The first generation serves as soon as it can: there is none that could serve instead.
            fleet.generation > 0 and fleet.incoming is not None,
            theirs,
            ours,
        )
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*self.SIGNALS, signal.SIGCHLD))
        # A garbage collection writes to every object that it looks at. Of frozen ones the child and the master go on sharing the memory.
        gc.freeze()
        try:
            pid = int(super().spawn_worker())
        except OSError as error:
            if ours:
                ours.close()
            return events.Forked(fork.order, 0, str(error))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            if theirs:
                theirs.close()
        self.WORKERS.pop(pid).tmp.close()
        if ours:
            ours.setblocking(False)
        self.crew.forked(fork.order, pid, self.options.load_timeout, ours)
        return events.Forked(fork.order, pid)

    def _pending(self) -> set[int]:
        fleet = self.state.fleet
        return {member.order for member in (*fleet.members, *fleet.templates) if not member.pid}

    def separate(self, worker: HandoverWorker) -> None:
        """In the child (`post_fork`): nothing of the master's conversations stays open here."""
        if self.control:
            self.control.close()
        for neighbour in (self.predecessor, self.successor):
            if neighbour:
                neighbour.channel.close()
        self.selector.close()
        self.crew.close()
        os.close(self._wake)
        os.close(self._wakeup)
        worker.begin()

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal; have a process leave for SIGTERM, and end with it all that it has forked if it hangs (gunicorn aborts it first).
        One that has just ended is found by `reap_workers`, and by nobody else, unlike in gunicorn."""
        forked = descendants(pid) if sig in (signal.SIGABRT, signal.SIGKILL) else []
        if sig == signal.SIGTERM and pid in self.WORKERS:
            self.crew.dismiss(pid, self.cfg.graceful_timeout)
            sig = LEAVE
        for one, number in ((pid, sig), *((child, signal.SIGKILL) for child in forked)):
            with contextlib.suppress(OSError):
                os.kill(one, number)

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

    # Settings

    def _resolved(self) -> str:
        """What the link to the release leads to now; empty without such a link."""
        return os.path.realpath(self.root) if self.root else ""

    def _load(self, release: str, *, held: bool = False) -> Load:
        """What a generation loads with the settings in force; for one that is held there is a template in any case, which tries it."""
        each = "" if self.options.shared or held else BY_HAND
        return Load(release, self.cfg, self.options, self.cfg.workers, each)

    def _target(self) -> int:
        """The number of workers that the settings in force and the saved target amount to."""
        options = self.options
        saved = target.load(options.target_file, self.log.error)
        return target.restore(saved, self.cfg.workers, options.workers_min, options.workers_max)

    def _save(self) -> None:
        """Keep the target over everything that ends this process. A disk that refuses is no reason to stop serving."""
        fleet = self.state.fleet
        try:
            target.save(self.options.target_file, fleet.load.workers, fleet.target)
        except OSError as error:
            self.log.error("scale: the target cannot be kept, got %s", error)

    def _read(self, held: str, renewed: bool) -> events.Read:
        """Read the settings anew, of the current release or of one that shall be held. On any failure those in force stay.

        Those of a `renewed` environment are for a new master to read, since they may well be wrong in this one.
        """
        # Before anything of the new release is read: its settings may speak to another version of this very package.
        current = self.state.fleet.load.release
        beyond = configuration.another_program(self.app.cfg.config, current, held) if held else ""
        prints = fingerprint.of_master(self.root, held)
        if lacking := ", ".join(fingerprint.lacking(prints)):
            return events.Read(refusal=f"reload: the release lacks a part of its server, got no {lacking}\nhint: deploy it again")
        beyond = beyond or ", ".join((*fingerprint.differences(self.prints, prints), *(["environment"] if renewed else [])))
        if beyond:
            return events.Read(beyond=beyond)
        before = self.cfg
        with configuration.as_if_current(self.root, held):
            refusal = configuration.refused(self.app.reload, self._apply)
        moved = not refusal and before.address != self.cfg.address and not self.listeners.given
        if refusal or moved:
            self._restore(before)
            return events.Read(refusal=refusal, beyond="listening address" if moved else "")
        self.cfg.on_reload(self)
        return events.Read(self._load(held or self._resolved(), held=bool(held)), self._target())

    def _apply(self) -> None:
        if not isinstance(self.app.cfg.on_starting, Options):
            raise TypeError("on_starting is not the hand-over's Options any more")
        self.setup(self.app)
        self.log.reopen_files()

    def _restore(self, settings: Any) -> None:
        """Have these settings hold again."""
        self.app.cfg = settings
        self.setup(self.app)

    # Other masters, and the service manager

    def _launch(self) -> None:
        """Start a successor, which must become PID 1's child and not ours: to systemd it were alien otherwise, and killed at the next stop.
        So orphans are nobody's for a moment, and no worker may be one: what a template has forked has come to us by then."""
        end = time.monotonic() + 1.0
        while time.monotonic() < end and any(parent_of(pid) not in (self.pid, 0) for pid in self.WORKERS):
            time.sleep(0.001)
        command = [str(self.START_CTX[0]), *map(str, self.START_CTX["args"][1:])]
        reload = self.state.reload
        environment = reload.environment if reload and reload.environment is not None else self.environment
        environ = {**environment, **self.notifier.environment(), successor.GENERATION: str(self.state.fleet.newest)}
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU))
        take_orphans(False)
        try:
            self.successor = successor.launch(command, environ, self.listeners.passed_on(self.LISTENERS))
        except OSError as error:
            self.handle(events.Heir(why=f"the new master could not be forked: {error}"))
            return
        finally:
            take_orphans(True)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self.selector.register(self.successor.channel, selectors.EVENT_READ, self.successor.read)

    def _part(self) -> None:
        """No more is to be said to the successor, nor heard of it."""
        assert self.successor
        self.selector.unregister(self.successor.channel)
        self.successor.channel.close()
        self.successor = None
        self.listeners.alone(self.LISTENERS)

    def _heard_predecessor(self) -> Any:
        """Its only word: from then on we speak for the service."""
        assert self.predecessor
        heard = self.predecessor.read()
        self.selector.unregister(self.predecessor.channel)
        self.predecessor.channel.close()
        self.predecessor = None
        return heard

    def _announce_target(self) -> None:
        """The line that `systemctl status` shows."""
        fleet = self.state.fleet
        if fleet.generation:
            label = os.path.basename(fleet.loads[fleet.generation].release) or self.proc_name
            self.notifier.send(f"STATUS=serving {label}, generation {fleet.generation}, {fleet.target} workers")

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

    def _end_workers(self, graceful: bool) -> None:
        """gunicorn's own way goes by the clock of the day (arbiter.py, stop): set forward, it kills who finishes what is held."""
        for listener in self.LISTENERS:
            listener.close()
        self.LISTENERS = []  # type: ignore[misc]
        end = time.monotonic() + self.cfg.graceful_timeout
        self.kill_workers(signal.SIGTERM if graceful else signal.SIGQUIT)
        while self.WORKERS and time.monotonic() < end:
            if graceful and self._hurried():
                self.log.info("Quick shutdown requested")
                graceful, end = False, time.monotonic() + _HURRY
                self.kill_workers(signal.SIGQUIT)
            self.reap_workers()
            time.sleep(_STEP)
        self.kill_workers(signal.SIGKILL)
        self.reap_workers()

    def _hurried(self) -> bool:
        """Whether an operator has had enough of waiting."""
        signals = []
        while not self.SIG_QUEUE.empty():
            signals.append(self.SIG_QUEUE.get_nowait())
        return signal.SIGINT in signals or signal.SIGQUIT in signals
