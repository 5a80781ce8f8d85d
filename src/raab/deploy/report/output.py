"""Standard output and error that can always be written to: a verb that changes hosts does not end because nobody reads it."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any

from raab import exitcodes


class Output(io.RawIOBase):
    """A descriptor. What cannot be written is dropped from then on, and `trouble` says why."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.trouble: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, data: Any) -> int:
        block = bytes(data)
        while self.trouble is None:
            try:
                return os.write(self.descriptor, block)
            except BlockingIOError:
                # Another program at the same terminal has it so.
                select.select((), (self.descriptor,), ())
            except OSError as error:
                self.trouble = error
        return len(block)


OUTPUTS: dict[str, Output] = {}


def install() -> None:
    """Have both go this way, in this process. A stream that was closed leads nowhere, and no file that is opened later takes its place."""
    if OUTPUTS or sys.stdout is not sys.__stdout__:
        return
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        before = getattr(sys, name)
        raw = OUTPUTS[name] = Output(descriptor)
        encoding = before.encoding if before else "utf-8"
        stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=raw.isatty() or name == "stderr")
        setattr(sys, name, stream)


def gone() -> bool:
    """Whether nobody reads standard output any more."""
    return "stdout" in OUTPUTS and OUTPUTS["stdout"].trouble is not None


def when_gone(act: Callable[[], None]) -> None:
    """Have it done when nobody reads standard output any more, although there is nothing to be written."""

    def watch() -> None:
        # No event is asked for: an error comes unasked (poll(2)), and a pipe without a reader is one.
        poll = select.poll()
        poll.register(1, 0)
        if any(event & select.POLLERR for _, event in poll.poll()):
            OUTPUTS["stdout"].trouble = OSError(errno.EPIPE, os.strerror(errno.EPIPE))
            act()

    if "stdout" in OUTPUTS:
        threading.Thread(target=watch, daemon=True).start()


def settle(code: int) -> int:
    """Write what is left. The exit code: what was asked for and could not be written is an error, unless its reader has gone by choice."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    trouble = OUTPUTS["stdout"].trouble if "stdout" in OUTPUTS else None
    if trouble is None or trouble.errno == errno.EPIPE:
        return code
    print(f"stdout: cannot be written, got {trouble.strerror}", file=sys.stderr)
    return code or exitcodes.ERROR


def say(descriptor: int, text: str, seconds: float = 1.0) -> None:
    """Write it at once, past all buffers, to whoever takes it within that time: for a moment in which nothing may be waited for."""
    data = text.encode(errors="backslashreplace")
    try:
        # What a pipe takes at once when it says that it takes anything (pipe(7), PIPE_BUF).
        while data and select.select((), (descriptor,), (), seconds)[1]:
            data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
    except (OSError, ValueError):
        return
