"""What this process prints, on its way to journald or to whatever stands in its place: at once, and without ever waiting for it.

Python's own streams keep what is printed until there is a lot of it, and wait for a reader that does not read, a whole worker with all its
requests; one that has gone makes an error of every word. journald may hang or be gone; the service shall not.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import io
import json
import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import Any

# Seconds for which a reader that is merely busy is waited for; one that has just lost lines is not waited for again.
_PATIENCE = 0.2
# A pipe takes so many bytes as one (limits.h, PIPE_BUF), a UNIX socket what fits into one of the kernel's buffers (net/unix/af_unix.c).
_PIPE_BYTES, _SOCKET_BYTES = 4096, 48 * 1024
# gevent would give the loop a turn in the middle of a line.
_poll = select.poll


def adopt() -> None:
    """Put an Output in the place of this process's standard streams. A person at a terminal keeps Python's own."""
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if not isinstance(stream, Output) and stream.fileno() == fd and not stream.isatty():
                with contextlib.suppress(OSError):
                    stream.flush()
                setattr(sys, name, Output(fd))


class Output(io.TextIOBase):
    """A text stream to a descriptor. A line goes when it is whole, and several that are written at once go together; what cannot be
    written is lost, and counted in a line of its own as soon as there is somebody to read it."""

    encoding, errors, line_buffering = "utf-8", "backslashreplace", True

    def __init__(self, fd: int) -> None:
        self._fd = fd
        kind = os.fstat(fd).st_mode
        self._channel = _socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(kind) else None
        self._size = _SOCKET_BYTES if self._channel else _PIPE_BYTES if stat.S_ISFIFO(kind) else 0
        self._begun = ""
        self._lost, self._torn = 0, False
        self._fresh()
        os.register_at_fork(after_in_child=self._fresh)

    def _fresh(self) -> None:
        # Another thread may hold it at the moment of a fork. Not gevent's: nothing in here gives way.
        self._lock = _thread.RLock()

    def write(self, text: str) -> int:
        """Print; raises TypeError for what is no text, and nothing else."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            whole, end, self._begun = (self._begun + text).rpartition("\n")
            if end:
                self._print(whole + end)
        return len(text)

    def flush(self) -> None:
        """Print what has no end of a line yet."""
        with self._lock:
            begun, self._begun = self._begun, ""
            if begun:
                self._print(begun)

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def reconfigure(self, **_: object) -> None:
        """Nothing: applications ask for UTF-8, or for lines to come at once, as they do."""

    @property
    def buffer(self) -> Any:
        """The stream for bytes, as those that Python opens have it."""
        return _Bytes(self)

    def _print(self, text: str) -> None:
        for lines in portions(text.encode(self.encoding, self.errors).splitlines(keepends=True), self._size):
            data = (b"\n" if self._torn else b"") + self._loss() + lines
            try:
                taken = self._send(data)
            except OSError:
                taken = 0
            if taken == len(data):
                self._lost, self._torn = 0, False
            else:
                self._lost += lines.count(b"\n")
                self._torn = taken > 0 or self._torn

    def _loss(self) -> bytes:
        if not self._lost:
            return b""
        line = {"level": "WARNING", "logger": "handover", "message": f"{self._lost} lines could not be written", "pid": os.getpid()}
        return f"<4>{json.dumps(line)}\n".encode()

    def _send(self, data: bytes) -> int:
        """How many bytes have been taken; all of them, unless the reader does not read."""
        if not self._size:
            return _write(self._fd, data)
        taken = 0
        while taken < len(data) and self._ready(_PATIENCE if not self._lost else 0):
            piece = data[taken : taken + self._size]
            try:
                taken += self._channel.send(piece, _socket.MSG_DONTWAIT) if self._channel else os.write(self._fd, piece)
            except BlockingIOError:
                # A socket counts as writable before a whole piece fits in.
                break
        return taken

    def _ready(self, seconds: float) -> bool:
        waiting = _poll()
        waiting.register(self._fd, select.POLLOUT)
        return bool(waiting.poll(seconds * 1000))


class _Bytes(io.BufferedIOBase):
    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, data: Any) -> int:
        self._output.write(bytes(data).decode(Output.encoding, Output.errors))
        return len(data)

    def flush(self) -> None:
        self._output.flush()

    def fileno(self) -> int:
        return self._output.fileno()

    def writable(self) -> bool:
        return True


def portions(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The lines in portions of at most `size` bytes, where one line is not longer by itself; 0: all in one."""
    portion = b""
    for line in lines:
        if size and portion and len(portion) + len(line) > size:
            yield portion
            portion = b""
        portion += line
    if portion:
        yield portion


def _write(fd: int, data: bytes) -> int:
    taken = 0
    while taken < len(data):
        taken += os.write(fd, data[taken:])
    return taken
