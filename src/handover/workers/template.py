"""The process that has loaded a generation's application and serves nobody: all workers of the generation are forked from it."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys

import gevent.os
from gevent import get_hub, monkey
from gunicorn import util
from gunicorn.workers.ggevent import GeventWorker

from handover.crew import ORDER
from handover.process import end_with_parent, exit_status, name_process
from handover.workers.check import check
from handover.workers.errand import Errand
from handover.workers.sharing import Seen, unsafe

# Why there is no sharing where settings decide.
BY_HAND = "server.load says so"


def serve(worker: GeventWorker, errand: Errand, seen: Seen) -> Errand:
    """Fork workers as long as the master asks for them. Returns in each of them, with its own errand, and never here.

    gevent's loop does not turn here any more: greenlets and timers that the application started live in the workers.
    """
    orders = errand.orders
    assert orders
    why = unsafe(seen) if errand.options.shared else BY_HAND
    question = errand.options.check if errand.must_answer else None
    if why:
        # A fork might wait for a thread that it does not have; this process ends anyway.
        if question:
            _answer(worker, errand, question)
        errand.report("unshared", why)
        os._exit(0)
    if question:
        _ask(worker, errand, question)
    # What is garbage now would be copied by each worker that collects it, and what is not is looked at by none.
    gc.collect()
    gc.freeze()
    orders.settimeout(1.0)
    errand.beat()
    errand.report("ready")
    while True:
        packet = None
        with contextlib.suppress(TimeoutError):
            packet = orders.recv(ORDER.size)
        errand.beat()
        if packet == b"":
            os._exit(0)
        if packet:
            order, slot = ORDER.unpack(packet)
            if _forked(errand, order, slot):
                return _become(worker, errand, order, slot)


def _ask(worker: GeventWorker, errand: Errand, path: str) -> None:
    """Ask the application whether it is ready, in a fork, which takes with it what the answer needs: connections, greenlets, threads."""
    template = os.getpid()
    pid = gevent.os.fork_gevent()
    if pid == 0:
        end_with_parent()
        _answer(worker, errand, path, template)
        os._exit(0)
    _, status = monkey.get_original("os", "waitpid")(pid, 0)
    how, by_signal = exit_status(status)
    if by_signal:
        errand.report("failed", f"the process that asked for {path} {how}")
    if status:
        os._exit(1)


def _answer(worker: GeventWorker, errand: Errand, path: str, template: int = 0) -> None:
    try:
        check(worker.wsgi, path)
    except BaseException as error:
        errand.report("failed", error, pid=template)
        os._exit(1)


def _forked(errand: Errand, order: int, slot: int) -> bool:
    """Fork twice: the process in between ends at once, so that the worker is the master's child, which takes in orphans (process.py).

    Functions that were registered with os.register_at_fork run in both. True in the worker.
    """
    fork, waitpid = monkey.get_original("os", "fork"), monkey.get_original("os", "waitpid")
    try:
        middle = fork()
    except OSError as error:
        errand.report("unforked", f"{order} {error}")
        return False
    if middle:
        _, status = waitpid(middle, 0)
        if status:
            errand.report("unforked", f"{order} the process in between {exit_status(status)[0]}")
        return False
    middle = os.getpid()
    try:
        pid = gevent.os.fork_gevent()
    except OSError:
        os._exit(1)
    if pid:
        errand.report("forked", f"{order} {slot}", pid=pid)
        os._exit(0)
    sleep = monkey.get_original("time", "sleep")
    while os.getppid() == middle:
        sleep(0.0005)
    return True


def _become(worker: GeventWorker, errand: Errand, order: int, slot: int) -> Errand:
    """Everything of its own that a worker has from its start, had it been forked by the master."""
    assert errand.orders
    errand.orders.close()
    worker.age, worker.pid = order, os.getpid()  # type: ignore[assignment]  # as gunicorn sets it, too
    name_process("gunicorn")
    worker.log.info("Booting worker with pid: %s", worker.pid)
    for fd in worker.PIPE:
        os.close(fd)
    worker.PIPE = os.pipe()  # type: ignore[misc, assignment]
    for fd in worker.PIPE:
        os.set_blocking(fd, False)
    # random's own generator differs in each fork, since Python sees to that; numpy's does not.
    util.seed()
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()
    if worker.cfg.max_requests > 0:
        worker.max_requests = worker.cfg.max_requests + random.randint(0, worker.cfg.max_requests_jitter)
    # Time has gone on while the loop stood still.
    get_hub().loop.update_now()
    return errand._replace(slot=slot, orders=None)
