"""One deploy at a time on a host: a lock that dies with the process that holds it. Standard library only.

The kernel's lock on the file decides; the file's content only tells people who it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host.processes import started
from raab.protocol.facts import LockHolder
from raab.protocol.reading import known, read

_STEP = 0.02
# Seconds for a process to end that was told to.
ENDING_SECONDS = 5.0


def acquire(path: Path, holder_text: dict[str, Any]) -> int:
    """Take the lock and return its descriptor, which holds it until it is closed. Raises RaabError when somebody else has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LockedError(holder(path)) from None
    os.ftruncate(fd, 0)
    os.write(fd, json.dumps({**holder_text, "pid": os.getpid(), "started": started(os.getpid()), "since": time.time()}).encode())
    return fd


def holder(path: Path) -> LockHolder | None:
    """Who holds the lock: None when nobody does. A text left by a process that has ended does not count."""
    text = _text(path)
    return _told(text) if text is not None else None


def _told(text: dict[str, Any]) -> LockHolder:
    """By what it says of people."""
    try:
        found: LockHolder = read(LockHolder, known(text, LockHolder), "lock")
    except ValueError:
        return LockHolder()
    return found


def _text(path: Path) -> dict[str, Any] | None:
    try:
        text = json.loads(path.read_bytes())
        pid = int(text["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # The start time guards against another process that was given the same pid since.
    return text if started(pid) == text.get("started") else None


def free(path: Path) -> LockHolder | None:
    """End who holds the lock, and all that it has started; its text, None where nobody held it. Raises RaabError when it does not end."""
    text = _text(path)
    # Who has let go of it may live on, with its text still there.
    if text is None or not held(path):
        return None
    pid = int(text["pid"])
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            # A session leads a process group of its own (raab.host.session.session).
            os.killpg(pid, number) if os.getpgid(pid) == pid else os.kill(pid, number)
        end = time.monotonic() + ENDING_SECONDS
        while time.monotonic() < end:
            if not held(path):
                return _told(text)
            time.sleep(_STEP)
    raise RaabError(
        f"unlock: the session that holds the lock does not end, not even killed, got process {pid}",
        f"it waits for the kernel, perhaps for a disk: `cat /proc/{pid}/stack` on the host; a reboot ends it",
    )


def held(path: Path) -> bool:
    """Whether anybody holds it, by the kernel's word."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class LockedError(RaabError):
    """Somebody else is deploying to this host."""

    def __init__(self, found: LockHolder | None) -> None:
        known = found or LockHolder(since=time.time())
        since = time.strftime("%H:%M:%SZ", time.gmtime(known.since))
        who = f"{known.who} from {known.machine}"
        super().__init__(
            f"lock: held for {known.what}, got {who} since {since}",
            "wait for it with --wait SECONDS, or free it with `fab unlock` when you know that it is stuck",
            exitcodes.LOCKED,
        )
