"""The few questions and orders that raab has for systemd on a host. Standard library only."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence

from raab.errors import RaabError

# What systemd says of a unit whatever becomes of it. Where it starts one again and again, that would be all of the last few lines.
_COMING_AND_GOING = re.compile(r"^(Start|Stopp)(ing|ed) |: (Scheduled restart job|Consumed|Deactivated successfully)")
# What systemctl ends with for a unit that is not loaded (systemctl(1), EXIT STATUS).
_NOT_LOADED = 5
# Seconds by which a process may have begun before its unit is said to.
_OLDER = 0.01


def order(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one command to its end and return what came of it, whatever its exit code."""
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"{words[0]} did not end within {timeout:.0f} s")


def must(*words: str, timeout: float = 60) -> str:
    """Run one command that has to succeed. Raises RaabError with its stderr."""
    done = order(*words, timeout=timeout)
    if done.returncode:
        raise RaabError(f"{' '.join(words[:3])}: exit code {done.returncode}, got: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout


def show(unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit; empty for a host without systemd."""
    try:
        text = order("systemctl", "show", "--no-pager", f"--property={','.join(names)}", unit).stdout
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def shows(units: Sequence[str], *names: str, more: Sequence[str] = ()) -> list[dict[str, str]]:
    """Properties of several units, in their order."""
    if not units:
        return []
    blocks = order("systemctl", "show", "--no-pager", f"--property={','.join(names)}", *more, *units).stdout.split("\n\n")
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    return found + [{}] * (len(units) - len(found))


def is_active(unit: str) -> bool:
    return show(unit, "ActiveState").get("ActiveState") in ("active", "reloading", "activating")


def main_pid(unit: str) -> int:
    return int(show(unit, "MainPID").get("MainPID", "0") or 0)


def stop(*units: str, timeout: float = 60) -> None:
    """End units. One that systemd does not know, or no longer, does not run. Raises RaabError when one does not end."""
    done = order("systemctl", "stop", *units, timeout=timeout)
    if done.returncode and not (done.returncode == _NOT_LOADED and not any(map(is_active, units))):
        raise RaabError(f"systemctl stop {' '.join(units)}: exit code {done.returncode}, got: {done.stderr.strip()[-1000:]}")


def last_words(unit: str, since: float) -> str:
    """What a service said since a moment (seconds since the epoch), for the report of a failure: its last few lines, readable."""
    lines = journal(unit, since)[-40:]
    said = dict.fromkeys(filter(None, map(readable, [line for line in lines if not _COMING_AND_GOING.search(line)] or lines)))
    return "\n".join(list(said)[-5:])


def journal(unit: str, since: float) -> list[str]:
    """The lines of a unit since a moment (seconds since the epoch), and those about it.

    journalctl --unit leaves out what systemd says from within the process that it is about to execute (why its credentials or its folders
    cannot be had), when that process has ended before the journal could see whose it was.
    """
    # The journal may still be reading what was said in a unit's last moment.
    order("journalctl", "--sync")
    matches = (f"_SYSTEMD_UNIT={unit}", "+", f"UNIT={unit}")
    return order("journalctl", "--output=cat", "--no-pager", f"--since=@{since:.3f}", *matches).stdout.splitlines()


def printed(unit: str, since: float) -> tuple[str, ...]:
    """The command that prints what processes of a unit have, since a moment (seconds since the epoch).

    By the moment and not by the unit's invocation, which the journal cannot find out of a process that has ended before it looked.
    """
    return "journalctl", "--output=cat", "--no-pager", "--quiet", f"--since=@{since:.6f}", f"_SYSTEMD_UNIT={unit}"


def began(told: dict[str, str]) -> float:
    """Since when (seconds since the epoch) a unit is under way, of what it shows. Its first process is a little older."""
    return time.time() - time.monotonic() + int(told.get("InactiveExitTimestampMonotonic") or 0) / 1e6 - _OLDER


def readable(line: str) -> str:
    """A log line as a person reads it: of a JSON line the message and what was raised, nothing of those that only inform."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(entry, dict) or entry.get("level") in ("DEBUG", "INFO"):
        return ""
    raised = [part for part in str(entry.get("exc_info", "")).splitlines() if part and not part.startswith((" ", "hint:", "Traceback"))]
    return ": ".join([str(entry.get("message", line)), *raised[-1:]])
