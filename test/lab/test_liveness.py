"""Workers that hang or die: found and replaced within their time limit, while the others serve on."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import Service
from raab.drill.stage.standing import Status
from raab.drill.stage.variants import Content
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Traffic

LIMIT = 3
SETTINGS = f"production: {{server: {{timeout: {LIMIT}, load_timeout: {LIMIT}, workers: 3}}}}\n"
# A file that has the next process hang that imports the application.
FLAG = "/var/lib/raab/hang"
HANGING = f"""
import os, time
if os.path.exists("{FLAG}"):
    time.sleep(600)
"""
# Of a pool whose processes are at work for an hour.
POOL = """
import multiprocessing
from gevent import monkey
_inner = application
def application(environ, start_response):
    if environ["PATH_INFO"] == "/pool":
        multiprocessing.Pool(2).map(monkey.get_original("time", "sleep"), [3600] * 4)
    return _inner(environ, start_response)
"""
# /spin keeps the interpreter busy, /block keeps it from running any Python, signal handlers included.
STUCK = """
import hashlib
_inner = application
def application(environ, start_response):
    while environ["PATH_INFO"] == "/spin":
        pass
    if environ["PATH_INFO"] == "/block":
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    return _inner(environ, start_response)
"""
FRESH = Mix(fresh=60, reused=0)


@contextmanager
def asked(service: Service, path: str) -> Iterator[None]:
    """Asks for a path that is never answered; leaving waits for the end of its connection."""

    def ask() -> None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://{}:{}{}".format(*service.address, path), timeout=30).read()

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("load", ["each", "shared"])
def test_what_loads_hangs(service: Service, traffic: Traffic, load: str) -> None:
    """A worker that loads by itself, or a template that is to replace one: it is found after load_timeout, ended and replaced, again and
    again until one comes up; nobody notices."""
    service.settings(SETTINGS.replace("workers: 3", f"workers: 3, load: {load}"))
    service.switch(service.variant(Content(before=HANGING)))
    service.systemctl("reload")
    before = service.wait("settled", lambda now: now.settled)
    since = time.time()

    def loading(now: Status) -> set[int]:
        workers = {worker.pid for worker in now.workers if worker.phase == "booting"}
        return workers | {template.pid for template in now.templates if not template.ready}

    with traffic():
        service.run(f"touch {FLAG}")
        for template in before.templates:
            service.kill("KILL", template.pid)
        service.kill("TTIN")
        (victim,) = loading(service.wait("booting", lambda now: bool(loading(now))))
        service.wait("found", lambda now: victim not in loading(now), 2 * LIMIT + 10)
        service.run(f"rm {FLAG}")
        after = service.wait("four", lambda now: now.settled and now.target == 4)
    assert {*before.serving} < {*after.serving}
    assert f"did not finish loading within {LIMIT} s" in service.journal(since)


@pytest.mark.parametrize("path", ["/spin", "/block"])
def test_a_worker_hangs_later(service: Service, traffic: Traffic, path: str) -> None:
    """A worker that spins, or is stuck in C, is replaced after its time limit; only what it was serving is lost."""
    service.settings(SETTINGS)
    service.switch(service.variant(Content(after=STUCK)))
    service.systemctl("reload")
    before = service.status()
    with traffic(FRESH, lost=3) as load, asked(service, path):
        begun = time.monotonic()
        after = service.wait("replaced", lambda now: now.settled and now.serving != before.serving, 2 * LIMIT + 10)
        seconds = time.monotonic() - begun
    # Two of three serve on, so most never wait; those whom the stuck worker had accepted already do.
    assert load.account.percentile(50) < 0.2
    assert seconds < 2 * LIMIT + 3
    assert len({*before.serving} & {*after.serving}) == 2
    assert len(load.account.samples) > 100


def test_a_worker_is_killed_for_its_memory(service: Service, traffic: Traffic) -> None:
    """SIGKILL, as the kernel sends it to who takes too much memory: another boots within 2 s, and only what it was serving is lost."""
    before = service.status()
    with traffic(FRESH, lost=3):
        service.kill("KILL", before.serving[0])
        service.wait("booting", lambda now: len(now.workers) == 2 and before.serving[0] not in {worker.pid for worker in now.workers}, 2)
        after = service.wait("replaced", lambda now: now.settled)
    assert before.serving[1] in after.serving


def test_all_workers_hang(service: Service) -> None:
    """The watchdog does not hear from the master any more, and systemd restarts the service."""
    service.shell.put("/run/systemd/system/raab.service.d/test.conf", "[Service]\nWatchdogSec=4\nTimeoutStopSec=5\n")
    service.run("systemctl daemon-reload")
    try:
        service.switch(service.variant(Content(after=STUCK)))
        service.systemctl("restart")
        before = service.status()
        with asked(service, "/block"), asked(service, "/block"), asked(service, "/block"):
            after = service.wait("restarted", lambda now: now.settled and now.pid != before.pid, 30)
        assert after.pid == service.main_pid()
    finally:
        service.run("rm -r /run/systemd/system/raab.service.d && systemctl daemon-reload")
        # The third request waited for the new master and holds one of its workers in C: no later test shall inherit that.
        service.switch(service.base)
        service.run("systemctl kill --signal=KILL raab")


def test_a_restart_behind_a_pool_that_never_ends(service: Service) -> None:
    """multiprocessing waits for its pool in a way that gevent does not know: the worker hangs, and its pool's processes hear no signal."""
    service.settings("production: {server: {timeout: 5}}\n")
    service.switch(service.variant(Content(after=POOL)))
    service.systemctl("reload")
    with pytest.raises(TimeoutError):
        urllib.request.urlopen("http://{}:{}/pool".format(*service.address), timeout=1)
    before = service.run("ps -o pid= -u raab").out.split()
    # A master, a template, two workers, two processes of the pool.
    assert len(before) >= 6
    done = service.systemctl("restart")
    assert done.seconds < 15
    left = service.run(f"ps -o pid= -p {','.join(before)}", check=False).out.split()
    assert not left
