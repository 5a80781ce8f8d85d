"""gunicorn's master with the hand-over: events become calls of `states`, its orders become forks and signals.

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
import time
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from handover import states
from handover.board import Board
from handover.control import Client, Control, Request
from handover.crew import Crew
from handover.hold import Holds
from handover.listeners import Listeners
from handover.options import Options
from handover.process import name_process
from handover.reloads import Reloads
from handover.report import status_of
from handover.scaling import Scaling
from handover.states import Fleet
from handover.succession import Succession
from handover.systemd import Notifier
from handover.worker import HandoverWorker


class HandoverArbiter(Arbiter):
    """The master. Made out of gunicorn's by `take_charge`, before that has signals, sockets or workers."""

    # gunicorn's logger, which it has made by the time that its hooks run.
    log: Any

    @classmethod
    def take_charge(cls, server: Arbiter) -> None:
        """Turn gunicorn's running arbiter into this one; called from its `on_starting` hook."""
        server.__class__ = cls
        assert isinstance(server, cls)
        server._begin()

    def _begin(self) -> None:
        name_process("gunicorn")
        self.notifier = Notifier()
        self.board = Board()
        self.selector = selectors.PollSelector()
        self.control: Control | None = None
        self.succession = Succession(self)
        self.listeners = Listeners(self.notifier)
        self.LISTENERS = self.listeners.open(self.cfg, self.log)  # type: ignore[misc]  # gunicorn sets it so, too
        # gunicorn takes the files of its UNIX sockets away when it ends, unless they are systemd's. They are: it keeps the sockets.
        self.systemd = True
        self.scaling = Scaling(self)
        self.reloads = Reloads(self)
        self.holds = Holds(self)
        wanted = self.scaling.restored()
        # The link of the beginning: a generation that is held reads its settings past it.
        self.root = self.options.root or ""
        self.release = self.incoming_release = self.resolved()
        self.fleet = states.reload(Fleet(wanted, newest=self.succession.generation), wanted)
        self.started = time.time()
        self.crew = Crew(self)
        self._wake, self._wakeup = os.pipe()
        for fd in (self._wake, self._wakeup):
            os.set_blocking(fd, False)
        self.selector.register(self._wake, selectors.EVENT_READ, lambda: os.read(self._wake, 4096))
        self.notifier.extend(self.options.load_timeout)

    @property
    def options(self) -> Options:
        """The settings of the hand-over, as the configuration in force has them."""
        options = self.cfg.on_starting
        assert isinstance(options, Options)
        return options

    def resolved(self) -> str:
        """What the link to the release leads to now; empty without such a link."""
        return os.path.realpath(self.root) if self.root else ""

    @property
    def label(self) -> str:
        """The release that serves, by the name of its directory."""
        return os.path.basename(self.release) or self.proc_name

    # The target is the fleet's. gunicorn sets it from the configuration at each load, which has to change nothing here.

    @property
    def num_workers(self) -> int:
        """How many workers are wanted."""
        return self.fleet.target

    @num_workers.setter
    def num_workers(self, value: int) -> None:
        return

    # The loop

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
        """Wait for anything: a signal, a worker's report, a client of the control socket, a word of the successor."""
        for key, _ in self.selector.select(timeout):
            with contextlib.suppress(BlockingIOError):
                key.data()
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
        self.crew.end_overdue(now)
        self.succession.check(now)
        self.holds.check(now)
        if self.reloads.trial:
            self.reloads.trial.check(now)
        # Workers beat every second, so a third of systemd's patience is plenty.
        if self.notifier.watchdog and self.crew.beats(now, self.notifier.watchdog / 3 + 1):
            self.notifier.send("WATCHDOG=1")

    # Workers

    def spawn_worker(self) -> int:
        """Fork one worker. Signals wait meanwhile: in the child they would meet handlers that are the master's."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*self.SIGNALS, signal.SIGCHLD))
        # A garbage collection writes to every object that it looks at. Of frozen ones the worker and the master go on sharing the memory.
        gc.freeze()
        try:
            return int(super().spawn_worker())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def separate(self, worker: HandoverWorker) -> None:
        """In the child (`post_fork`): nothing of the master's conversations stays open here."""
        if self.control:
            self.control.close()
        self.succession.close()
        self.holds.separate()
        self.selector.close()
        self.crew.close()
        os.close(self._wake)
        os.close(self._wakeup)
        worker.begin()

    def manage_workers(self) -> None:
        """Do what the fleet's state asks for, until it asks for nothing more."""
        while True:
            self._conclude_generation()
            orders = states.settle(self.fleet)
            spawn = 0 if self.crew.pausing else orders.spawn
            if not spawn and not orders.retire:
                break
            for pid in orders.retire:
                self.crew.dismissed(pid)
                self.kill_worker(pid, signal.SIGTERM)
            self.fleet = states.retired(self.fleet, orders.retire)
            try:
                for _ in range(spawn):
                    self.crew.forked(self.spawn_worker(), orders.generation)
            except OSError as error:
                self.crew.not_forked(error)
        self.scaling.answer()

    def kill_worker(self, pid: int, sig: int) -> None:
        """Send a signal. One that has just ended is found by `reap_workers`, and by nobody else, unlike in gunicorn."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)

    def _conclude_generation(self) -> None:
        first = self.fleet.generation == 0
        if states.complete(self.fleet):
            self._serve() if first else self.reloads.taken_over()
        elif states.failed(self.fleet):
            if first:
                self.succession.failed(self.crew.why)
                raise HaltServer(f"not started: {self.crew.why}", self.WORKER_BOOT_ERROR)
            self.reloads.given_up(self.crew.why)

    def reap_workers(self) -> None:
        """Take note of ended workers. No exit status of a worker ends the master, unlike gunicorn's 3 and 4."""
        self.crew.listen()
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.reloads.trial and pid == self.reloads.trial.pid:
                self.reloads.tried(status)
            elif worker := self.WORKERS.pop(pid, None):
                self.crew.ended(pid, worker, status)
                self.cfg.child_exit(self, worker)

    # Signals of operators

    def handle_hup(self) -> None:
        """A new generation is wanted."""
        self.reloads.request()

    def handle_usr2(self) -> None:
        """A new master is wanted, with a new generation."""
        self.reloads.replace_master()

    def handle_ttin(self) -> None:
        """One worker more."""
        self.scaling.to(self.fleet.target + 1)

    def handle_ttou(self) -> None:
        """One worker fewer."""
        self.scaling.to(self.fleet.target - 1)

    def handle_winch(self) -> None:
        """gunicorn's master ignores this signal unless it is a daemon; so does this one, always."""

    def _request(self, request: Request, client: Client) -> None:
        if request.verb == "reload":
            self.reloads.request(client, trial=request.trial)
        elif request.verb == "scale":
            self.scaling.request(request, client)
        elif request.verb == "hold":
            self.holds.request(client, request.release)
        elif request.verb == "switched":
            self.holds.decide(client)
        else:
            client.answer(status_of(self))

    # What the service manager is told

    def _serve(self) -> None:
        """The first generation is complete: open the control socket, and tell who waits for it."""
        self.fleet = states.taken_over(self.fleet)
        self.scaling.save()
        if self.options.control:
            self.control = Control(self.options.control, self.selector, self._request)
        self.succession.ready()
        self.announce()
        if not self.succession.waits_for_word:
            self.reloads.next()

    def announce(self) -> None:
        """This master serves; a successor says so when its predecessor has named it."""
        if not self.succession.waits_for_word:
            self.listeners.keep(self.LISTENERS)
            self.notifier.send("READY=1")
            self.announce_status()

    def announce_status(self) -> None:
        """The line that `systemctl status` shows."""
        if self.fleet.generation:
            self.notifier.send(f"STATUS=serving {self.label}, generation {self.fleet.generation}, {self.fleet.target} workers")

    # The end

    def stop(self, graceful: bool = True) -> None:
        """End the workers. After a replacement, the service goes on under the successor, and its clients are waited for."""
        if not self.succession.succeeded:
            self.board.stopping = True
            self.notifier.send("STOPPING=1")
            self.notifier.extend(self.cfg.graceful_timeout)
            self.succession.abandon()
            self.reloads.abandon()
        super().stop(graceful)
