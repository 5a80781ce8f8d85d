"""What a master does once it is decided: it forks, ends processes, reads settings, launches its heir.

Nothing is decided here, and the state is read and never assigned: what comes of a deed is an event, which the one who decides (master.py)
takes up.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import time
from typing import Any

from gunicorn.arbiter import Arbiter

from handover.crew import Crew
from handover.decision import actions, events
from handover.decision.reloads import State
from handover.decision.states import Load
from handover.outside import successor
from handover.outside.control import Control
from handover.outside.listeners import Listeners
from handover.outside.predecessor import Predecessor
from handover.outside.successor import Successor
from handover.outside.systemd import Notifier
from handover.process import LEAVE, descendants, parent_of, take_orphans
from handover.settings import configuration, fingerprint, target
from handover.settings.options import Options
from handover.workers.board import Board
from handover.workers.errand import Errand
from handover.workers.template import BY_HAND
from handover.workers.worker import HandoverWorker

# Seconds for workers that are told to end at once, and between looks at those that end.
_HURRY = 2.0
_STEP = 0.1


class Deeds(Arbiter):
    """gunicorn's arbiter with all that a master of the hand-over can do, and nobody who says when."""

    # gunicorn's logger, which it has made by the time that its hooks run, and all processes (crew.py, Hand).
    log: Any
    WORKERS: Any  # type: ignore[misc]
    # Made and assigned by the one who decides.
    state: State
    root: str
    environment: dict[str, str]
    prints: dict[str, str]
    notifier: Notifier
    board: Board
    crew: Crew
    listeners: Listeners
    selector: selectors.BaseSelector
    control: Control | None
    successor: Successor | None
    predecessor: Predecessor | None
    # The two ends of the pipe by which a signal wakes its loop.
    _wake: int
    _wakeup: int

    @property
    def options(self) -> Options:
        """The settings of the hand-over, as the configuration in force has them."""
        options = self.cfg.on_starting
        assert isinstance(options, Options)
        return options

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

    def _launch(self) -> events.Heir | None:
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
            return events.Heir(why=f"the new master could not be forked: {error}")
        finally:
            take_orphans(True)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self.selector.register(self.successor.channel, selectors.EVENT_READ, self.successor.read)
        return None

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

    # The end

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
