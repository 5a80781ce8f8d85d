"""Whether processes that were started stay up: by systemd's word, and where they say it by their own."""

from __future__ import annotations

import time
from collections.abc import Sequence

from raab.errors import RaabError
from raab.host import systemd
from raab.host.beside.change import Start
from raab.host.beside.unit import READY_SECONDS
from raab.host.paths import Paths

_STEP = 0.05
_ASKED = (
    "ActiveState",
    "SubState",
    "NRestarts",
    "ActiveEnterTimestampMonotonic",
    "InactiveExitTimestampMonotonic",
    "Job",
    "Result",
    "ExecMainStatus",
)


def prove(paths: Paths, started: Sequence[Start], began: float) -> None:
    """Wait until each has been up for its `settle` seconds, and has said that it is ready where it says so. `began` is in seconds since the
    epoch. Raises RaabError for the first that is not."""
    left = list(started)
    end = time.monotonic() + READY_SECONDS + max((one.process.settle for one in started), default=0)
    while left:
        shown = systemd.shows([paths.beside(one.name) for one in left], *_ASKED)
        now = time.monotonic()
        for one, told in zip(tuple(left), shown, strict=True):
            if why := fallen(told):
                said = systemd.last_words(paths.beside(one.name), began)
                text = f"process {one.name}: it does not stay up, got {why}\n{said}".rstrip()
                raise RaabError(text, f"journalctl -u {paths.beside(one.name)} says more")
            if up(told, now) >= one.process.settle and ready(one, paths.beside(one.name), told):
                left.remove(one)
        if left and now > end:
            names = ", ".join(one.name for one in left)
            text = f"process {names}: it did not say that it is ready within {READY_SECONDS} s"
            raise RaabError(text, "see what it waits for, or correct `ready`")
        if left:
            time.sleep(_STEP)


def fallen(told: dict[str, str]) -> str:
    """Why a process has ended since it was started; empty for one that has not."""
    if told.get("Job"):
        # It is still to be started.
        return ""
    restarts = told.get("NRestarts", "0")
    if told.get("ActiveState") in ("failed", "inactive", "deactivating") or told.get("SubState") == "auto-restart" or restarts != "0":
        result, status = told.get("Result", "unknown"), told.get("ExecMainStatus", "0")
        return f"exit code {status}" if result in ("exit-code", "success") else f"{result} {status}".rstrip(" 0")
    return ""


def up(told: dict[str, str], now: float) -> float:
    """For how many seconds; a negative number while it is only on its way. `now` is of the monotonic clock, which is systemd's, too."""
    since = int(told.get("ActiveEnterTimestampMonotonic", "0") or 0) / 1e6
    return now - since if told.get("ActiveState") == "active" and since else -1.0


def ready(one: Start, unit: str, told: dict[str, str]) -> bool:
    """Whether it has printed what its `ready` says. By READY=1 it is active no sooner."""
    if one.process.ready in ("", "notify"):
        return True
    return one.process.ready in systemd.order(*systemd.printed(unit, systemd.began(told))).stdout
