"""One line per request, at a tenth of what the logging module or gunicorn's own access log takes: formatted and written in batches."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple, TextIO

# A batch is written when it is so old (seconds) or so long (lines): what a killed worker may lose.
_AGE = 0.1
_LENGTH = 100
# Characters of a path, and of why a request was refused; each may take six in JSON, and journald takes a line of 48 KiB.
_PATH, _REASON = 4096, 200


class Line(NamedTuple):
    """What is said of one request. `ended` is the time in seconds since the epoch, `seconds` how long it took, `bytes` those of the
    body as they went over the wire, `aborted` who ended the answer before its end: one of metrics.layout's ABORTERS, or nobody.
    `refused`: why the server has refused it before any application had it, where it has."""

    ended: float
    request_id: str
    method: str
    path: str
    route: str
    status: int
    seconds: float
    bytes: int
    peer: str
    aborted: str = ""
    refused: str = ""


class AccessLog:
    """Writes lines to `stream` with `form`. `batch` is for production: a person at a terminal wants each line now."""

    def __init__(self, stream: TextIO, form: Callable[[Line], str], batch: bool) -> None:
        self._stream, self._form, self._batch = stream, form, batch
        self._lines: list[Line] = []
        self._some = threading.Event()
        self._writer: threading.Thread | None = None
        # A worker writes its lines itself, and not once more whatever it forks; nor is the thread there.
        os.register_at_fork(after_in_child=self._forget)

    def write(self, line: Line) -> None:
        # Put into words later, a batch at a time: between two requests the processor has forgotten how.
        self._lines.append(line)
        if not self._batch or len(self._lines) >= _LENGTH:
            self.flush()
        elif len(self._lines) == 1:
            if self._writer is None:
                # Started by the first request and not at import: a thread does not survive the fork of a worker.
                self._writer = threading.Thread(target=self._write_batches, name="raab-access-log", daemon=True)
                self._writer.start()
                atexit.register(self.flush)
            self._some.set()

    def _forget(self) -> None:
        self._lines, self._writer = [], None

    def flush(self) -> None:
        """Writes what has gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write("".join(map(self._form, lines)))
            self._stream.flush()

    def _write_batches(self) -> None:
        while True:
            self._some.wait()
            self._some.clear()
            time.sleep(_AGE)
            self.flush()


def json_line(line: Line) -> str:
    """The line as JsonFormatter would write it. What a client sent is quoted, so that it can end neither the text nor the line."""
    aborted = f', "aborted": "{line.aborted}"' if line.aborted else ""
    if line.refused:
        aborted = f', "refused": {quoted(line.refused[:_REASON])}'
    path = line.path if len(line.path) <= _PATH else f"{line.path[:_PATH]} [... {len(line.path) - _PATH} characters cut ...]"
    return (
        f'<6>{{"time": "{_stamp(int(line.ended))}.{int(line.ended % 1 * 1000):03}Z", "level": "INFO", "logger": "raab.access", '
        f'"request": "{line.request_id}", "method": {quoted(line.method)}, "path": {quoted(path)}, "route": {quoted(line.route)}, '
        f'"status": {line.status}, "ms": {line.seconds * 1000:.2f}, "bytes": {line.bytes}, "peer": {quoted(line.peer)}{aborted}}}\n'
    )


def column_line(line: Line) -> str:
    """The line for a terminal."""
    clock = time.strftime("%H:%M:%S", time.localtime(line.ended))
    # quoted() again, for its escapes: a terminal obeys what a client sends.
    request = quoted(f"{line.method} {line.path}")[1:-1]
    aborted = f"  aborted by {line.aborted}" if line.aborted else f"  {quoted(line.refused)[1:-1]}" if line.refused else ""
    return f"{clock} {line.status} {line.seconds * 1000:8.1f} ms {line.bytes:9} B  {request}{aborted}  [{line.request_id}]\n"


_cached_stamp: tuple[int, str] = (-1, "")


def _stamp(second: int) -> str:
    """UTC to the second; thousands of requests share one."""
    global _cached_stamp
    if _cached_stamp[0] != second:
        _cached_stamp = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    return _cached_stamp[1]
