"""Ask a question of code that this process shall not hold: in a fork of it, which has what this one has loaded and needs no start."""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn


def apart(function: Callable[[], str], seconds: float) -> str:
    """The text that `function` returns in a process of its own.

    Raises RuntimeError with what the function raised there, or when there is no answer within `seconds`.
    """
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(function, theirs)
    os.close(theirs)
    text = b""
    end = time.monotonic() + seconds
    try:
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            block = os.read(ours, 65536)
            if not block:
                break
            text += block
        else:
            raise RuntimeError(f"no answer within {seconds:g} s")
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if text[:1] != b"+":
        raise RuntimeError(text[1:].decode() or "it ended without an answer")
    return text[1:].decode()


def _answer(function: Callable[[], str], pipe: int) -> NoReturn:
    """In the child, with no signal handler of the parent's."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        importlib.invalidate_caches()
        try:
            text = "+" + function()
        except BaseException as error:  # even SystemExit, whose ways out would be the parent's
            text = f"-{error}" if str(error) else f"-{type(error).__name__}"
        with os.fdopen(pipe, "wb") as stream:
            stream.write(text.encode(errors="replace"))
    finally:
        os._exit(0)
