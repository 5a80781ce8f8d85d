"""`raab reload`, which is the unit's ExecReload: trial, hand-over, verdict."""

from __future__ import annotations

import argparse
import subprocess
import sys

from raab.errors import RaabError
from raab.factory.configFactory import load_settings
from raab.host.control import ask

# Beyond the trial's own limit, for the start of its interpreter; reached only when its code hangs beyond the reach of Python.
_MARGIN = 1.0


def run(args: argparse.Namespace) -> int:
    """Return 0 only when a new generation of this release serves. Raises RaabError with the reason otherwise."""
    limit = load_settings().server.load_timeout
    _trial(limit)
    # A new master needs its own time before its workers have theirs, and may have to wait for a reload that is under way.
    verdict = ask(5 * limit + 10, verb="reload")
    if not verdict["good"]:
        raise RaabError(f"reload: refused, the old workers serve on, got {verdict['reason']}", "repair it, then reload again")
    how = "by a new master" if verdict["replaced"] else "by new workers"
    print(f"generation {verdict['generation']} serves after {verdict['seconds']:.2f} s, {how}")
    return 0


def _trial(limit: float) -> None:
    """In a process of its own, inside the service's sandbox, with the interpreter that the new workers get."""
    command = [sys.executable, "-I", "-m", "raab.host", "trial"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", timeout=limit + _MARGIN)
    except subprocess.TimeoutExpired as error:
        raise RaabError(f"trial: the application did not load within {limit} s", "find what it waits for, or raise load_timeout") from error
    if done.returncode:
        reason, _, hint = (done.stderr.strip() or f"trial: ended with status {done.returncode}").rpartition("\nhint: ")
        raise RaabError(reason or hint, hint if reason else "", done.returncode if done.returncode == 2 else 1)
