"""A trial load: the new code in a process that nobody is served by, before any worker of a new generation is forked.

The master starts it, and not who asks for the reload, so that it has exactly what workers have: sandbox, environment,
credentials (systemd 252 hides these from ExecReload=).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Sequence

_SAID_AT_MOST = 4000


class Trial:
    """A running trial. The master's loop calls `check` once a second and `ended` when it reaps the process."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._late = False
        self._said = os.memfd_create("trial")
        # In a process group of its own, so that what the code starts can be ended with it.
        self.pid = os.posix_spawn(
            command[0],
            list(command),
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, self._said, 2),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=[signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
        )

    def check(self, now: float) -> None:
        """End a trial that takes longer than a worker may."""
        if now > self._deadline and not self._late:
            self._late = True
            self.kill()

    def kill(self) -> None:
        """End it with all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def ended(self, status: int) -> str:
        """Why the code was not accepted, in its own last words; empty when it was. `status` is that of waitpid(2)."""
        os.lseek(self._said, 0, os.SEEK_SET)
        said = os.read(self._said, 1 << 20).decode(errors="replace").strip()[-_SAID_AT_MOST:]
        os.close(self._said)
        # What is left of its group when it ended by itself.
        self.kill()
        if self._late:
            return f"trial: the code did not load within {self._seconds:g} s"
        code = os.waitstatus_to_exitcode(status)
        return "" if code == 0 else said or f"trial: ended with status {code}"
