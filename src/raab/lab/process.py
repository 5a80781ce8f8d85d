"""Running programs and reading /proc: the lab's only way to the machine."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from raab.errors import RaabError


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it; `groups` are its control groups, one path for each hierarchy."""

    pid: int
    parent: int
    argv: tuple[str, ...]
    groups: tuple[str, ...]


def processes() -> Iterator[Process]:
    """Every live process of this machine; a zombie is dead already."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            argv = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            groups = [line.split(":", 2)[2] for line in (entry / "cgroup").read_text().splitlines()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            yield Process(int(entry.name), int(parent), tuple(argv), tuple(groups))


def run(where: str, *argv: str, hint: str = "") -> str:
    """Runs a command and returns what it printed. Raises RaabError with its last words if it fails.

    The command inherits the locks that are held: if this process is killed, the next holder waits for what it had begun.
    """
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, close_fds=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise RaabError(f"{where}: `{' '.join(argv)}` failed, got {words[-1] if words else f'exit code {done.returncode}'}", hint)
    return done.stdout


def until(seconds: float, done: Callable[[], bool], every: float = 0.02) -> bool:
    """Asks `done()` again and again; True as soon as it says so, False when the seconds are over."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Holds the lock file for the block; whoever comes second waits. The kernel lets go of it when the holder and its commands are dead."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
