"""The gevent worker of the hand-over: says when it can answer, and leaves without dropping what it holds."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import math
import os
import signal
import socket
import time
from functools import partial
from importlib import metadata
from typing import Any

import gevent

# What gevent's patches take, here for the master to load it once instead of each worker.
import gevent.events
import gevent.select
import gevent.selectors
import gevent.ssl
import gevent.subprocess
import gevent.threading  # type: ignore[import-not-found,unused-ignore]  # it has no stub
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventWorker

from handover.outside.sockets import listens
from handover.process import LEAVE, close_to_equals, end_with_parent, name_process
from handover.settings.pin import pin
from handover.workers import background, sharing, template
from handover.workers.check import check
from handover.workers.connections import YOUNG, Connections
from handover.workers.errand import Errand
from http1 import Connection, Goodbyes, Limits, Patience, Refusal, Site

# Seconds for which idle connections are kept when the whole service stops: long enough for a request under way.
STOP_LINGER = 1.0
# Seconds for which requests in flight outlive a master that was killed: systemd starts no new one before they have ended,
# and all other clients wait meanwhile.
ORPHAN_LIMIT = 3.0
_DRAIN_STEP = 0.05
# Seconds by which a worker leaves before its time is over, when it is killed: so that it can still say what it has cut.
_LAST_WORDS = 0.5
# Of the time that a retiring worker has, the part over which it ends what lasts as long as its clients like; what is left is for those
# who are slow to go.
_GOODBYES = 0.8
# Seconds for which a retiring worker waits for a client that hardly moves: it would hold the worker to its time limit.
_PATIENCE = 5.0
# Seconds between looks at a socket that does not listen yet, as all do in a moment.
_LOOK = 0.005
_IGNORED = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)


class HandoverWorker(GeventWorker):
    """A GeventWorker that reports to the master, and drains by connection instead of by the second; or a template of such."""

    errand: Errand
    site: Site

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections = Connections()
        self.active = 0
        self.orphaned = False
        self.leave: Any = None
        self.servers: list[StreamServer] = []

    # Boot

    def begin(self) -> None:
        """First thing in the new process: signals end it at once until it serves, and it sees one release only.

        gunicorn's master handlers would swallow a SIGTERM here, and SIGHUP's default would kill a worker that an
        operator's `pkill -HUP` hits.
        """
        close_to_equals(False)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, LEAVE):
            signal.signal(number, signal.SIG_DFL)
        for number in (*_IGNORED, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        importlib.invalidate_caches()
        if self.errand.root:
            pin(self.errand.root, self.errand.release)
        quicken(self.cfg)
        if self.errand.asking:
            self.errand.asking.close()
            name_process("template")
            end_with_parent()

    def patch(self) -> None:
        """gevent's patches. Around each of them it looks for plugins through all that is installed, 25 times in all (gevent/events.py,
        notify_and_call_entry_points); looked through once, a worker starts 20 ms sooner."""
        look = metadata.entry_points
        found = look()
        metadata.entry_points = found.select
        try:
            super().patch()
        finally:
            metadata.entry_points = look
        background.watch(logging.getLogger("gunicorn.error"))

    def init_signals(self) -> None:
        """Nothing yet: gunicorn calls this before the application is loaded, when a stop has to work at once."""

    def load_wsgi(self) -> None:
        """Load the application and report why, when that fails. In a template, this returns in each worker that it forks.

        An application may do anything, even call sys.exit.
        """
        errand = self.errand
        # Hardly anything that an import makes is garbage; to look for it took a fifth of the time.
        gc.disable()
        seen = sharing.look() if errand.orders else None
        try:
            if errand.options.prepare:
                errand.options.prepare()
            super().load_wsgi()
            gc.enable()
            if seen is None and errand.must_answer and errand.options.check:
                check(self.wsgi, errand.options.check)
        except BaseException as error:
            self.errand.report("failed", error)
            if seen is not None and errand.must_answer:
                # gunicorn would add the traceback to the log. Those who serve serve on, and the reason has its place.
                os._exit(Arbiter.APP_LOAD_ERROR)
            raise
        if seen is not None:
            self.errand = template.serve(self, errand, seen)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)
        super().init_signals()
        signal.signal(LEAVE, self.handle_exit)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    # Service

    def run(self) -> None:
        """Serve until told to leave, then finish what is held. Nothing here waits for a clock where an event will do."""
        self.leave = Event()
        wake = gevent.get_hub().loop.io(self.PIPE[0], 1)
        wake.start(self._woken)
        self.site = self._site()
        self.servers = [self._listen(listener) for listener in self.sockets]
        os.register_at_fork(after_in_child=self._forked)
        self.errand.report("ready")
        while self.alive and not self.errand.dismissed:
            self.notify()
            self.tally()
            self.connections.end_idle(time.monotonic())
            self.connections.end_deserted()
            self.connections.make_room()
            # A full pool is looked at until it has room.
            self.leave.wait(YOUNG if self.connections.full else 1.0)
        # Answers that begin from here on say that their connection ends with them.
        self.alive = False
        for server in self.servers:
            server.close()
        self.errand.report("closed")
        self._drain()
        wake.stop()
        self.errand.report("done")

    def _site(self) -> Site:
        options = self.errand.options
        return Site(
            application=self.wsgi,
            log=self.log.error_log,
            begin=self.begin_request,
            end=self.end_request,
            leaving=lambda: not self.alive,
            refused=self._refused,
            head_timeout=options.head_timeout,
            keepalive=self.cfg.keepalive,
            multiprocess=True,
            limits=Limits(self.cfg.limit_request_line, self.cfg.limit_request_fields, self.cfg.limit_request_field_size),
        )

    def _refused(self, refusal: Refusal) -> None:
        """A request that is none. An application that keeps its own account of requests has a method of this name; else the log says it."""
        if account := getattr(self.wsgi, "refused", None):
            account(refusal)
            return
        self.log.warning("refused with %s: %s, got %r from %s", refusal.status, refusal.reason, refusal.line[:100], refusal.peer)

    def _forked(self) -> None:
        """In a process that the application has forked: it is no worker, accepts nothing, and ends when it is told to.

        gevent's loop goes on in a fork, with all that it watches (gevent.os, fork_gevent); and a copy of a listener keeps its address.
        """
        for server in self.servers:
            server.close()
        signal.set_wakeup_fd(-1)
        for number in (*self.SIGNALS, LEAVE):
            if getattr(signal.getsignal(number), "__self__", None) is self:
                signal.signal(number, signal.SIG_DFL)

    def _woken(self) -> None:
        """A signal arrived: its Python handler has run by the time that this does."""
        with contextlib.suppress(OSError):
            os.read(self.PIPE[0], 4096)
        if not self.alive or self.errand.dismissed:
            self.leave.set()

    def _listen(self, listener: Any) -> StreamServer:
        listener.setblocking(1)
        pool = self.connections.pool(listener, self.worker_connections)
        server = StreamServer(listener, handle=partial(self._handle, pool, listener.getsockname()), spawn=pool)
        # One connection a turn, so that a burst is shared with the other workers.
        server.max_accept = 1
        if listens(listener):
            server.start()
        else:
            gevent.spawn(self._await, listener, server)
        return server

    def _await(self, listener: Any, server: StreamServer) -> None:
        """A new master's socket for a new address listens when all is there that shall serve (outside/listeners.py); until then its clients
        are the old workers'."""
        while self.alive and not listens(listener):
            gevent.sleep(_LOOK)
        if self.alive:
            server.start()

    def notify(self) -> None:
        """The heartbeat. A worker whose master is gone finishes what it holds; nobody would replace it otherwise."""
        self.errand.beat()
        if self.ppid != os.getppid() and not self.orphaned:
            self.log.info("Parent changed, shutting down: %s", self)
            self.orphaned, self.alive = True, False

    def _handle(self, pool: Pool, address: Any, client: socket.socket, peer: Any) -> None:
        """Serve one connection. gunicorn's own `handle` is not called by anybody."""
        self.connections.serve(Connection(self.site, client, address, peer), pool, self.alive)

    def begin_request(self) -> None:
        """Counts a request while it is served."""
        self.active += 1
        self.nr += 1

    def end_request(self) -> None:
        """It is over."""
        self.active -= 1
        self.tally()

    def tally(self) -> None:
        """Put this worker's numbers where the master can read them."""
        self.errand.board.write(self.errand.slot, self.nr, len(self.connections), self.active)

    # Leaving

    def _drain(self) -> None:
        """Finish requests; keep idle connections for a while, since a request may be on its way on any of them."""
        begun = looked = time.monotonic()
        limit = max(self.cfg.graceful_timeout - _LAST_WORDS, 0)
        patience = Patience(_PATIENCE)
        goodbyes = Goodbyes(limit * _GOODBYES, begun)
        while self.connections.held and time.monotonic() - begun < (ORPHAN_LIMIT if self.orphaned else limit):
            self.notify()
            self.tally()
            stopping = self.errand.board.stopping or self.orphaned
            self.connections.say_goodbye(goodbyes, math.inf if stopping else time.monotonic())
            if time.monotonic() - begun >= (STOP_LINGER if stopping else self.errand.options.linger):
                self.connections.end_idle()
            if time.monotonic() - looked >= 1:
                looked = time.monotonic()
                self.connections.end_idle(looked)
                self.connections.end_deserted()
                self.connections.end_slow(patience, looked)
            gevent.sleep(_DRAIN_STEP)
        if held := self.connections.held:
            self.log.warning("Worker (pid:%s) leaves with %s connections open", self.pid, held)


def quicken(cfg: Any) -> None:
    """Make plain attributes of gunicorn's settings. It looks them up some thirty times a request, each by two calls (config.py,
    Config.__getattr__, which Python calls for what is no attribute).
    """
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})
