"""One round of what a timer runs, now. Standard library only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from types import TracebackType

from raab import exitcodes
from raab.errors import RaabError
from raab.host import systemd
from raab.host.running.running import blocks
from raab.protocol.streams import BLOCK, Size

_UNDER_WAY = ("activating", "active", "deactivating")
_ASKED = ("ActiveState", "InvocationID", "Job", "Result", "ExecMainCode", "ExecMainStatus", "InactiveExitTimestampMonotonic")
# As a shell tells it of what was ended by a signal.
_SIGNALLED = 128
# Seconds between two looks.
_STEP = 0.2


class Round:
    """It is under way from here on, in the timer's own `unit`, so that it overlaps with none of the timer's: one that is under way already
    is this one. What it prints is read from the journal, standard output and errors in one.

    It does not end with who has asked for it, who may not be the only one. To be used by `with`, and attended as `Running` is.
    """

    def __init__(self, unit: str) -> None:
        """Raises RaabError when it cannot be started."""
        self.unit = unit
        self.over = self.left = False
        self.news, self.notice = os.pipe()
        self.told = systemd.show(unit, *_ASKED)
        under_way = self.told.get("ActiveState") in _UNDER_WAY
        # Of an earlier round the journal may not have been told all yet.
        systemd.order("journalctl", "--sync")
        since = systemd.began(self.told) if under_way else time.time()
        self.invocation = self.told["InvocationID"] if under_way else begin(unit, self.told)
        self.words = systemd.printed(unit, since)
        nothing = subprocess.DEVNULL
        self.follower = subprocess.Popen((*self.words, "--follow", "--no-tail"), stdin=nothing, stdout=subprocess.PIPE, stderr=nothing)

    def __enter__(self) -> Round:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.follower.kill()
        self.follower.wait()

    def wait(self) -> None:
        """In a thread of its own, until it has ended."""
        while self.told.get("InvocationID") == self.invocation and self.told.get("ActiveState") in _UNDER_WAY:
            time.sleep(_STEP)
            self.told = systemd.show(self.unit, *_ASKED)
        self.follower.kill()

    def tell(self, say: Callable[[int, bytes], None]) -> None:
        """Have all that it says told to this."""
        self.told = systemd.show(self.unit, *_ASKED)
        threading.Thread(target=self.wait, daemon=True).start()
        threading.Thread(target=self.pass_on, args=(say,), daemon=True).start()

    def pass_on(self, say: Callable[[int, bytes], None]) -> None:
        passed = 0
        # Nobody may be there any more, which is noticed where is typed.
        with contextlib.suppress(OSError):
            assert self.follower.stdout
            for block in blocks(self.follower.stdout.fileno()):
                say(1, block)
                passed += len(block)
            # Of its last moment the journal may not have been told yet when its follower was ended.
            systemd.order("journalctl", "--sync")
            whole = subprocess.run(self.words, stdin=subprocess.DEVNULL, capture_output=True).stdout
            for start in range(passed, len(whole), BLOCK):
                say(1, whole[start : start + BLOCK])
        self.over = True
        os.write(self.notice, b"o")

    @property
    def waiting(self) -> tuple[int, ...]:
        """Nothing is typed."""
        return ()

    def look(self) -> None:
        """That there is news is all of it."""
        os.read(self.news, BLOCK)

    def type(self, block: bytes) -> None:
        """Nothing reads it."""

    def resize(self, size: Size) -> None:
        """It has no terminal."""

    def feed(self) -> None:
        """Nothing waits."""

    def stop(self) -> None:
        """Leave it to itself."""
        self.over = self.left = True

    def code(self) -> int:
        """Its exit code. Raises RaabError when its command never came to be, or when nobody can know any more."""
        if self.left:
            return exitcodes.INTERRUPTED
        how, status = int(self.told.get("ExecMainCode") or 0), int(self.told.get("ExecMainStatus") or 0)
        if self.told.get("InvocationID") != self.invocation:
            raise RaabError(f"run: {self.unit} has begun anew before that was seen", f"journalctl -u {self.unit} has what it said")
        if not how:
            raise RaabError(f"run: it could not be started, got {self.told.get('Result')}", f"journalctl -u {self.unit} says why")
        return status if how == os.CLD_EXITED else _SIGNALLED + status


def begin(unit: str, before: dict[str, str]) -> str:
    """Start it; by what it can be told from other rounds. Raises RaabError when it does not start."""
    # How often somebody asks for it is his affair.
    systemd.order("systemctl", "reset-failed", unit)
    systemd.must("systemctl", "start", "--no-block", unit)
    while (told := systemd.show(unit, *_ASKED)).get("InvocationID", "") in ("", before.get("InvocationID")):
        if not told.get("Job"):
            raise RaabError(f"run: {unit} does not start, got {told.get('Result')}", f"journalctl -u {unit} says why")
        time.sleep(_STEP)
    return told["InvocationID"]
