"""Standard input, output and errors of this process, for a command that runs elsewhere. Standard library only."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import tty
from types import TracebackType
from typing import Any

from raab.protocol.streams import BLOCK, Input, Size


class Here:
    """This process' own three, and where they are a terminal, that. To be used by `with`, after which the terminal is as it was."""

    def __init__(self) -> None:
        self.size: Size | None = size() if os.isatty(0) and os.isatty(1) else None
        self.input: int | None = 0
        self.gone = self.begun = False
        # Readable when there is news that nobody has typed.
        self.beside, self.notice = os.pipe()
        for descriptor in (self.beside, self.notice):
            os.set_blocking(descriptor, False)
        self.before: list[Any] = []

    def __enter__(self) -> Here:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.before:
            termios.tcsetattr(0, termios.TCSADRAIN, self.before)

    def begin(self) -> None:
        """From now on what is typed is the command's: a terminal passes every key on, Ctrl-C too, and says when its size has changed."""
        self.begun = True
        if self.size:
            self.before = termios.tcgetattr(0)
            # What was typed already is kept.
            tty.setraw(0, termios.TCSADRAIN)
            signal.signal(signal.SIGWINCH, lambda *_: os.write(self.notice, b"w"))

    def hear(self, descriptor: int) -> list[Input]:
        """What is typed there, nothing at its end; or how large the terminal is by now."""
        if descriptor == self.beside:
            os.read(self.beside, BLOCK)
            return [size()] if self.size and not self.gone else []
        try:
            block = os.read(0, BLOCK)
        except BlockingIOError:
            return []
        except OSError:
            # A terminal that was closed.
            block = b""
            self.gone = self.size is not None
        if not block:
            self.input = None
            self.gone = self.size is not None
        return [block]

    def say(self, stream: int, block: bytes) -> None:
        """Write all of it to standard output (1) or errors (2). Where nobody reads any more, `gone` says so."""
        left = memoryview(block)
        while left and not self.gone:
            try:
                left = left[os.write(stream, left) :]
            except BlockingIOError:
                # Another program at the same terminal has it so.
                select.select((), (stream,), ())
            except OSError:
                self.gone = True
                os.write(self.notice, b"g")


def size() -> Size:
    """Of the terminal that standard output is."""
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(8)))
    return Size(min(rows, 10_000), min(columns, 10_000))
