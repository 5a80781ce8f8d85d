"""What a process is called, and how it ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal

# The master's word to a process that it is to leave: of SIGTERM an application may have made what it likes by then.
LEAVE = signal.SIGRTMIN + 7
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_prctl = ctypes.CDLL(None, use_errno=True).prctl


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


def take_orphans(yes: bool) -> None:
    """Have what the children of this process leave behind become its children, or not any more (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(yes), 0, 0, 0)


def end_with_parent() -> None:
    """Have this process end at once when its parent does (prctl(2), PR_SET_PDEATHSIG)."""
    _prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def close_to_equals(yes: bool) -> None:
    """Let no other process of this user into this one's memory and descriptors, or again (prctl(2), PR_SET_DUMPABLE; ptrace(2)).

    Its own files in /proc are root's meanwhile (proc(5)).
    """
    _prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(not yes), 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """What a process has forked, and what those have, of all that this one may see."""
    parents = {int(name): parent_of(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def parent_of(pid: int) -> int:
    """The parent's pid; 0 for a process that is not there (proc(5), stat: its second field may hold anything, in parentheses)."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def environment_of_start() -> dict[str, str]:
    """The variables that this process was started with (proc(5), environ), whatever it has made of them since: gunicorn sets some, by its
    settings, which a successor shall not inherit, as these may differ. Not to be asked after `close_to_equals`."""
    try:
        with open("/proc/self/environ", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, found, value in (word.partition(b"=") for word in words) if found}
