"""What a process is called, and how it ended."""

from __future__ import annotations

import contextlib
import os
import signal


def exit_status(status: int) -> tuple[str, bool]:
    """How a process ended, in words, and whether a signal ended it; `status` is that of waitpid(2)."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"was ended by {signal.Signals(number).name if number in set(signal.Signals) else number}", True
    return f"exited with status {os.waitstatus_to_exitcode(status)}", False


def name_process(name: str) -> None:
    """Set what pgrep(1) and ps(1) call this process, so that `pkill gunicorn` finds it (proc(5), comm)."""
    with contextlib.suppress(OSError), open(f"/proc/{os.getpid()}/comm", "w") as comm:
        comm.write(name)
