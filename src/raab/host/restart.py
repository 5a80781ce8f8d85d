"""systemctl restart, without the wait for processes that nobody waits for. Standard library only."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

from raab.host import processes, systemd
from raab.host.paths import Paths

_STEP = 0.05


def restart(paths: Paths, limit: float) -> subprocess.CompletedProcess[str]:
    """Restart the service, within so many seconds, and return what came of it, whatever its exit code.

    The master leaves when its workers have finished what they hold. What is in the control group after it answers to nobody, and what
    ignores SIGTERM would have every client wait for the unit's TimeoutStopSec=.
    """
    began = processes.uptime()
    main = processes.process(systemd.main_pid(paths.unit))
    group = processes.control_group(main.pid) if main else ""
    words = ("systemctl", "restart", paths.unit)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asked:
        end = time.monotonic() + limit
        try:
            while asked.poll() is None and time.monotonic() < end:
                if main and not alive(main):
                    end_leftovers(paths, group, began)
                time.sleep(_STEP)
            if asked.poll() is None:
                return subprocess.CompletedProcess(words, 124, "", f"systemctl did not end within {limit:.0f} s")
        finally:
            # Whoever leaves here does not wait for it; systemd goes on by itself.
            asked.kill()
        out, err = asked.communicate()
    return subprocess.CompletedProcess(words, asked.returncode, out, err)


def alive(one: processes.Process) -> bool:
    found = processes.process(one.pid)
    return found is not None and found.identity == one.identity


def end_leftovers(paths: Paths, group: str, before: float) -> None:
    """Kill what is in the unit's control group from before that moment, in seconds since boot: the new master is younger."""
    for one in processes.of_group(paths.unit, group).values():
        if one.born < before and alive(one):
            with suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)
