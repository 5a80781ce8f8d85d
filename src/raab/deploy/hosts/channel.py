"""A program that answers lines to what it is sent, with an end to all patience: with silence, with endless lines, with not being read."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

LINE_BYTES = 16 << 20
SAID_BYTES = 1 << 16
BLOCK = 1 << 16


class Silence(Exception):
    """Nothing was heard for too long."""


class EndlessLine(Exception):
    """More than LINE_BYTES came without an end of line."""


class Channel:
    """A process in a session of its own, so that a Ctrl-C meant for its starter does not end it, and no terminal is there to ask at.

    One thread sends and reads; any may `touch`.
    """

    def __init__(self, words: Sequence[str], silence: float) -> None:
        """Start it. `silence` is in seconds. Raises OSError when there is no such program."""
        self.silence = silence
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.input, self.output, self.errors = (pipe.fileno() for pipe in (self.process.stdin, self.process.stdout, self.process.stderr))
        os.set_blocking(self.input, False)
        self.open = {self.output, self.errors}
        self.buffer = bytearray()
        self.said = bytearray()
        self.sent = 0
        self.heard = time.monotonic()
        self.writing = threading.RLock()
        self.closed = False

    def send(self, data: bytes, patience: float | None = None) -> None:
        """Write all of it, and keep what is said meanwhile. Raises OSError when nobody reads any more, Silence."""
        with self.writing:
            left = memoryview(data)
            while left:
                if self.input in self.wait(self.input, patience):
                    count = os.write(self.input, left)
                    self.sent += count
                    left = left[count:]

    def touch(self) -> None:
        """Send an empty line, unless something else is on its way."""
        if self.writing.acquire(blocking=False):
            try:
                with suppress(OSError):
                    self.sent += os.write(self.input, b"\n")
            finally:
                self.writing.release()

    def line(self, patience: float | None = None) -> bytes:
        """The next line without its end; what comes after the last one, for one; b"" at the end, and for an empty one a newline.

        `patience`: seconds of silence, if others than at the start. Raises Silence, EndlessLine.
        """
        searched = 0
        while (end := self.buffer.find(b"\n", searched)) < 0:
            searched = len(self.buffer)
            if searched > LINE_BYTES:
                raise EndlessLine
            if self.output not in self.open:
                rest, self.buffer = bytes(self.buffer), bytearray()
                return rest
            self.wait(None, patience)
        found = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return found

    @property
    def whole(self) -> bool:
        """Whether the next line that says something can be had without waiting, or there is none. Signs of life are passed over."""
        while self.buffer[:1] == b"\n":
            del self.buffer[:1]
        return b"\n" in self.buffer or self.output not in self.open

    def wait(self, writable: int | None, patience: float | None, others: Collection[int] = ()) -> set[int]:
        """Wait until something is said or can be written, or others have something to be read; take what is said. The descriptors that are
        ready."""
        limit = self.silence if patience is None else patience
        # Not epoll, which takes no file, and one may be what is typed (epoll_ctl(2), EPERM).
        with selectors.PollSelector() as selector:
            for descriptor in (*self.open, *others):
                selector.register(descriptor, selectors.EVENT_READ)
            if writable is not None:
                selector.register(writable, selectors.EVENT_WRITE)
            found = selector.select(max(0.0, self.heard + limit - time.monotonic())) or selector.select(0)
        ready = {int(key.fd) for key, _ in found}
        if not ready:
            raise Silence
        for descriptor in ready & self.open:
            self.take(descriptor)
        return ready

    def take(self, descriptor: int) -> None:
        block = os.read(descriptor, BLOCK)
        if not block:
            self.open.discard(descriptor)
            return
        self.heard = time.monotonic()
        if descriptor == self.output:
            self.buffer += block
        else:
            self.said += block
            del self.said[:-SAID_BYTES]

    def listen_anew(self) -> None:
        """Begin to count the silence: nobody has listened since the last answer."""
        self.heard = time.monotonic()

    def last_words(self, seconds: float = 5.0) -> str:
        """All that was said on standard error; waits for its end for so long."""
        end = time.monotonic() + seconds
        while self.errors in self.open and time.monotonic() < end:
            with suppress(Silence):
                self.heard = time.monotonic()
                self.wait(None, max(0.0, end - time.monotonic()))
        return self.said.decode(errors="replace")

    def status(self, seconds: float = 2.0) -> int | None:
        """The exit status, None while it runs; waits for its end for so long."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode

    def abandon(self) -> None:
        """Have it end, and what it started, without waiting for that. One that was closed has a number that may be another one's by now."""
        if not self.closed:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)

    def close(self) -> None:
        """End the process, and what it started, now."""
        if self.closed:
            return
        self.abandon()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # The pipes are closed when nobody refers to them any more: a thread that still reads finds their end, and no file of another
        # connection.
        self.closed = True
