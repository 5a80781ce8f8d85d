"""Whether an application that has been loaded can be shared by forks of the process that loaded it: found out, not hoped for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import greenlet
from gevent import get_hub, monkey

# Devices that keep nothing of who has them open: null, zero, random and urandom (kernel, admin-guide/devices.txt, major 1).
_STATELESS = frozenset(os.makedev(1, minor) for minor in (3, 5, 8, 9))


class Seen(NamedTuple):
    """What a process held before it loaded an application; `ran` fills with the greenlets that run meanwhile.

    `descriptors` are each a number with the device and inode that it stood for, `threads` the kernel's ids, `pool` how many of them
    were gevent's.
    """

    descriptors: frozenset[tuple[int, int, int]]
    threads: frozenset[int]
    pool: int
    memory: frozenset[str]
    ran: list[str]
    trace: Any


def look() -> Seen:
    """Look at this process before it loads the application. What gevent opens for itself is there by then, or is made now."""
    hub = get_hub()
    # libev makes the descriptor by which threads wake its loop with the first watcher of that kind; a look-up of a name needs one.
    wake = hub.loop.async_()
    wake.start(lambda: None)
    wake.stop()
    ran: list[str] = []
    main = greenlet.getcurrent()

    def note(event: str, switch: tuple[Any, Any]) -> None:
        _, target = switch
        if target is not hub and target is not main and (name := _foreign(target)):
            ran.append(name)

    return Seen(_descriptors(), _threads(), hub.threadpool.size, _shared_memory(), ran, greenlet.settrace(note))


def unsafe(seen: Seen) -> str:
    """Why forks of this process cannot share what it has loaded since `seen`, in one clause; empty when they can.

    A file that is open for appending keeps no position that forks would take from each other (open(2)).
    """
    greenlet.settrace(seen.trace)
    if seen.ran:
        return f"a greenlet or thread ran while it was loaded ({seen.ran[0]})"
    for fd, *_ in sorted(_descriptors() - seen.descriptors):
        with contextlib.suppress(OSError):
            if not _harmless(fd):
                return f"it opened {_told(fd)} while it was loaded"
    memory = sorted(_shared_memory() - seen.memory)
    if memory:
        return f"it made memory that forks share while it was loaded ({' '.join(memory[0].split()[5:])})"
    # It says whether there are any children, and takes none from whoever waits for it (waitid(2), WNOWAIT).
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return "it started a process while it was loaded"
    return _threads_beside(seen)


def _threads_beside(seen: Seen) -> str:
    """Threads of a library that prepares for forks end before each (pthread_atfork(3), as OpenBLAS has it), and come again when they
    are needed. gevent starts its own anew in a fork."""

    def beside() -> int:
        return len(_threads() - seen.threads) - (get_hub().threadpool.size - seen.pool)

    if beside() > 0:
        pid = _original("fork")()
        if pid == 0:
            os._exit(0)
        _original("waitpid")(pid, 0)
    pool = get_hub().threadpool
    # A thread that has just handed over a result counts as busy for a moment. To sleep as gevent does would run what must not run here.
    end = time.monotonic() + 0.1
    while len(pool) and time.monotonic() < end:
        _original("sleep", "time")(0.005)
    if len(pool):
        return "a thread of gevent's pool was at work for it when it had been loaded"
    left = beside()
    return f"it started {left} native thread{'s' if left > 1 else ''} while it was loaded" if left > 0 else ""


def _original(name: str, module: str = "os") -> Callable[..., Any]:
    function: Callable[..., Any] = monkey.get_original(module, name)
    return function


def _foreign(target: Any) -> str:
    """What a greenlet runs, by name; empty where that is gevent's own doing. A Thread, which gevent has made a greenlet, is the
    application's whatever its target."""
    run = getattr(target, "_run", None) or getattr(target, "run", None)
    thread = getattr(run, "__self__", None)
    if isinstance(thread, threading.Thread):
        function = getattr(thread, "_target", None)
        return getattr(function, "__qualname__", type(thread).__qualname__)
    if str(getattr(run, "__module__", "")).startswith("gevent."):
        return ""
    return getattr(run, "__qualname__", type(target).__qualname__)


def _descriptors() -> frozenset[tuple[int, int, int]]:
    """Of those listed one was open for the listing only, whose number something else may have later on."""
    found = set()
    for fd in _numbers("/proc/self/fd"):
        with contextlib.suppress(OSError):
            status = os.fstat(fd)
            found.add((fd, status.st_dev, status.st_ino))
    return frozenset(found)


def _threads() -> frozenset[int]:
    return _numbers("/proc/self/task")


def _numbers(folder: str) -> frozenset[int]:
    return frozenset(map(int, os.listdir(folder)))


def _shared_memory() -> frozenset[str]:
    """Writable mappings that stay one memory in forks (proc(5), maps)."""
    with open("/proc/self/maps") as maps:
        return frozenset(line.strip() for line in maps if line.split()[1].startswith("rw") and line.split()[1].endswith("s"))


def _harmless(fd: int) -> bool:
    """Raises OSError for a descriptor that is not there any more."""
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev in _STATELESS


def _told(fd: int) -> str:
    """What a descriptor is, for people."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return os.readlink(f"/proc/self/fd/{fd}")
    with monkey.get_original("socket", "socket")(fileno=os.dup(fd)) as end:
        try:
            peer = end.getpeername()
        except OSError:
            return "a socket"
    return f"a connection to {':'.join(map(str, peer[:2])) if isinstance(peer, tuple) else peer or 'a UNIX socket'}"
