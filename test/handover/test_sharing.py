"""What an application does while it is loaded, and whether forks can share it: found out in a process of its own each time."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

# As a template does it: what is there before is the process's own, what comes between is the application's.
LOAD = """
import os, socket
server = socket.create_server(("127.0.0.1", 0))
from gevent import monkey
monkey.patch_all()
from handover.workers import sharing
seen = sharing.look()
{code}
print(sharing.unsafe(seen), flush=True)
os.killpg(0, 9)
"""
SHARED = {
    "nothing": "",
    "modules": "import json, decimal, email.message, flask, multiprocessing",
    "log file": "import logging; logging.basicConfig(filename='{tmp}/log'); logging.warning('hello')",
    "appending": "kept = open('{tmp}/log', 'a')",
    "read and closed": "open('/etc/hostname').read()",
    "null": "kept = open('/dev/null', 'r+')",
    "random": "kept = open('/dev/urandom', 'rb')",
    "connection closed": "socket.create_connection(server.getsockname()).close()",
    "a name looked up": "socket.getaddrinfo('localhost', 80)",
    "threadpool": "import gevent; gevent.get_hub().threadpool.apply(sum, ([1, 2],))",
    "greenlet scheduled": "import gevent; gevent.spawn(print, 'never')",
    "greenlet scheduled for later": "import gevent; gevent.spawn_later(60, print, 'never')",
    "lock": "import threading; lock = threading.Lock(); lock.acquire(); lock.release(); threading.Event().set(); threading.local().x = 1",
    "queue": "import queue; queue.Queue().put(1)",
    "sleep": "import time; time.sleep(0.01)",
    "executor without work": "from concurrent.futures import ThreadPoolExecutor; ThreadPoolExecutor(4)",
    "process waited for": "import subprocess; assert subprocess.run(['echo', '1'], capture_output=True).stdout == b'1\\n'",
    "private memory": "import mmap; kept = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)",
    "sqlite closed": "import sqlite3; sqlite3.connect('{tmp}/db').close()",
}
EACH = {
    "connection": (
        "kept = socket.create_connection(server.getsockname())",
        "it opened a connection to 127.0.0.1:* while it was loaded",
    ),
    "connection by UNIX socket": (
        "here = socket.socket(1); here.bind('{tmp}/s'); here.listen(); kept = socket.socket(1); kept.connect('{tmp}/s'); here.close()",
        "it opened a connection to {tmp}/s while it was loaded",
    ),
    "socket pair": ("kept = socket.socketpair()", "it opened a connection to a UNIX socket while it was loaded"),
    "listener": ("kept = socket.create_server(('127.0.0.1', 0))", "it opened a socket while it was loaded"),
    "reading": ("kept = open('/etc/passwd')", "it opened /etc/passwd while it was loaded"),
    "two files, the second reading": ("a = open('{tmp}/log', 'a'); b = open('/etc/passwd')", "it opened /etc/passwd while it was loaded"),
    "writing": ("kept = open('{tmp}/log', 'w')", "it opened {tmp}/log while it was loaded"),
    "a file in the place of another": (
        "import os; kept = open('{tmp}/log', 'w'); os.dup2(kept.fileno(), 0); kept.close()",
        "it opened {tmp}/log while it was loaded",
    ),
    "sqlite": ("import sqlite3; kept = sqlite3.connect('{tmp}/db')", "it opened {tmp}/db while it was loaded"),
    "pipe": ("import os; kept = os.pipe()", "it opened pipe:[*] while it was loaded"),
    "epoll": (
        "kept = monkey.get_original('select', 'epoll')()",
        "it opened anon_inode:[eventpoll] while it was loaded",
    ),
    "inotify": ("import ctypes; ctypes.CDLL(None).inotify_init()", "it opened anon_inode:inotify while it was loaded"),
    "memory file": ("import os; os.memfd_create('cache')", "it opened /memfd:cache (deleted) while it was loaded"),
    "native thread": (
        "monkey.get_original('_thread', 'start_new_thread')(monkey.get_original('time', 'sleep'), (60,))",
        "it started 1 native thread while it was loaded",
    ),
    "native threads": (
        (
            "socket.getaddrinfo('::1', 80); start, pause = map(monkey.get_original, ('_thread', 'time'), ('start_new_thread', 'sleep'))\n"
            "start(pause, (60,)); start(pause, (60,))"
        ),
        "it started 2 native threads while it was loaded",
    ),
    "work in gevent's pool": (
        "import gevent; gevent.get_hub().threadpool.spawn(monkey.get_original('time', 'sleep'), 60)",
        "a thread of gevent's pool was at work for it when it had been loaded",
    ),
    "greenlet that ran": (
        "import gevent\ndef work(): gevent.sleep(60)\ngevent.spawn(work); gevent.sleep(0)",
        "a greenlet or thread ran while it was loaded (work)",
    ),
    "greenlet that ended": (
        "import gevent\ndef work(): pass\ngevent.spawn(work).join()",
        "a greenlet or thread ran while it was loaded (work)",
    ),
    "thread": (
        "import threading, time\ndef work(): time.sleep(60)\nthreading.Thread(target=work, daemon=True).start()",
        "a greenlet or thread ran while it was loaded (work)",
    ),
    "thread of a function of gevent's": (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "a greenlet or thread ran while it was loaded (sleep)",
    ),
    "thread with a class of its own": (
        "import threading\nclass Poller(threading.Thread):\n    def run(self): threading.Event().wait(60)\nPoller(daemon=True).start()",
        "a greenlet or thread ran while it was loaded (Poller)",
    ),
    "timer": (
        "import threading; timer = threading.Timer(60, print); timer.daemon = True; timer.start()",
        "a greenlet or thread ran while it was loaded (Timer)",
    ),
    "executor": (
        "from concurrent.futures import ThreadPoolExecutor; kept = ThreadPoolExecutor(4); kept.submit(sum, [1]).result()",
        "a greenlet or thread ran while it was loaded (_worker)",
    ),
    "plain greenlet": (
        "import greenlet\ndef work(): pass\ngreenlet.greenlet(work).switch()",
        "a greenlet or thread ran while it was loaded (*)",
    ),
    "process": ("import subprocess; kept = subprocess.Popen(['sleep', '5'])", "it started a process while it was loaded"),
    "process of multiprocessing": (
        "import multiprocessing, time; multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,)).start()",
        "it opened pipe:[*] while it was loaded",
    ),
    "shared memory": (
        "import mmap; kept = mmap.mmap(-1, 4096)",
        "it made memory that forks share while it was loaded (/dev/zero (deleted))",
    ),
    "semaphore": ("import multiprocessing; kept = multiprocessing.Lock()", "it made memory that forks share while it was loaded (*)"),
}


def loaded(code: str, tmp_path: Path) -> str:
    """What is found out about an application that does `code`."""
    program = LOAD.format(code=code.replace("{tmp}", str(tmp_path)))
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/", timeout=20, check=False, start_new_session=True
    )
    assert done.returncode == -9, done.stderr
    return done.stdout.removesuffix("\n")


@pytest.mark.parametrize("name", SHARED)
def test_what_forks_may_share(name: str, tmp_path: Path) -> None:
    """Nothing of it is one thing that all of them would use."""
    assert loaded(SHARED[name], tmp_path) == ""


@pytest.mark.parametrize("name", EACH)
def test_what_forks_may_not_share(name: str, tmp_path: Path) -> None:
    """It is named, so that its author knows what to move."""
    code, why = EACH[name]
    assert fnmatch(loaded(code, tmp_path), why.replace("{tmp}", str(tmp_path)).replace("[", "[[]"))


def test_what_was_there_before_does_not_count(tmp_path: Path) -> None:
    """A process that has threads, descriptors and memory of its own, gevent's pool among them, loads an application that has none."""
    before = (
        "import mmap, gevent\n"
        "kept = open('/etc/passwd'), os.pipe(), mmap.mmap(-1, 4096)\n"
        "monkey.get_original('_thread', 'start_new_thread')(monkey.get_original('time', 'sleep'), (60,))\n"
        "gevent.get_hub().threadpool.apply(sum, ([1, 2],))\n"
        "gevent.spawn(gevent.sleep, 60)\n"
        "sharing.unsafe(seen)\n"
        "seen = sharing.look()\n"
    )
    assert loaded(before, tmp_path) == ""
    native = "monkey.get_original('_thread', 'start_new_thread')(monkey.get_original('time', 'sleep'), (60,))"
    assert loaded(before + native, tmp_path) == "it started 1 native thread while it was loaded"


def test_a_library_that_prepares_for_forks(tmp_path: Path) -> None:
    """OpenBLAS ends its threads before a fork (pthread_atfork(3)) and starts them again when they are needed."""
    pytest.importorskip("numpy")
    assert loaded("import numpy; numpy.ones((500, 500)) @ numpy.ones((500, 500))", tmp_path) == ""
